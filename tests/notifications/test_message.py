"""The body of a notification."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almoner.notifications import message
from almoner.notifications.positions import MOST_DELETED, ChangeSpan, joined

FIRST = datetime(2018, 5, 14, 23, 34, 5, 647496, UTC)
LAST = datetime(2018, 5, 15, 23, 34, 5, 647496, UTC)
moments = st.datetimes(timezones=st.just(UTC))
spans = st.tuples(moments, moments).map(lambda pair: ChangeSpan(min(pair), max(pair)))


def test_a_notification_is_that_of_the_document() -> None:
    body = message.notification(
        {"patients": ChangeSpan(FIRST, LAST)}, "https://api.welkinhealth.com"
    )
    assert json.loads(body) == [
        {
            "resource": "patients",
            "from": "2018-05-14T23:34:05.647496",
            "to": "2018-05-15T23:34:05.647496",
            "href": "https://api.welkinhealth.com/v1/patients"
            "?page[to]=2018-05-15T23:34:05.647496&page[from]=2018-05-14T23:34:05.647496",
        }
    ]


def test_there_is_one_object_a_resource_in_the_order_of_their_names() -> None:
    groups = {name: ChangeSpan(FIRST, LAST) for name in ("workers", "calendars", "patients")}
    document = json.loads(message.notification(groups, "https://care.example.org"))
    assert [entry["resource"] for entry in document] == ["calendars", "patients", "workers"]


def test_deleted_ids_are_told_and_absent_when_there_are_none() -> None:
    groups = {"patients": ChangeSpan(FIRST, LAST, ("a", "b")), "workers": ChangeSpan(FIRST, LAST)}
    patients, workers = json.loads(message.notification(groups, "https://care.example.org"))
    assert patients["deleted"] == ["a", "b"]
    assert "deleted" not in workers


@pytest.mark.parametrize("offset", [-8, 0, 9])
def test_times_are_in_utc_whatever_zone_they_come_in(offset: int) -> None:
    moment = FIRST.astimezone(timezone(timedelta(hours=offset)))
    assert message.moment(moment) == "2018-05-14T23:34:05.647496"


def test_times_have_six_fraction_digits_always() -> None:
    assert message.moment(datetime(2024, 1, 1, tzinfo=UTC)) == "2024-01-01T00:00:00.000000"


@given(st.lists(st.dictionaries(st.sampled_from("abc"), spans), max_size=5))
def test_what_is_joined_spans_all_its_parts(parts: list[dict[str, ChangeSpan]]) -> None:
    together: dict[str, ChangeSpan] = {}
    for part in parts:
        together = joined(together, part)
    for name, span in together.items():
        of_it = [part[name] for part in parts if name in part]
        assert span == ChangeSpan(
            min(part.first for part in of_it), max(part.last for part in of_it)
        )


def test_deleted_ids_that_are_joined_are_told_once_and_never_more_than_are_allowed() -> None:
    span = ChangeSpan(FIRST, LAST, tuple(map(str, range(900))))
    other = ChangeSpan(FIRST, LAST, tuple(map(str, range(800, 1700))))
    assert span.joined(other).deleted == tuple(map(str, range(MOST_DELETED)))
