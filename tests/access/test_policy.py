"""Who may do what."""

from __future__ import annotations

import pytest

from almoner.access import policy
from almoner.access.tokens import Access
from almoner.errors import ApiError

COLLECTIONS = ("patients", "messages", "phone_numbers")


def _access(scope: str, shape: str = "documented") -> Access:
    return Access(
        environment_id=1,
        client_id="c",
        shape=shape,
        scopes=frozenset(scope.split()),
        actor="client:c",
        expires_at=0,
    )


def test_all_covers_every_verb_of_every_collection_and_the_change_feed() -> None:
    access = _access("all")
    for collection in (*COLLECTIONS, policy.CHANGES):
        assert policy.allows(access, collection, write=False)
        assert policy.allows(access, collection, write=True)
        assert policy.sees(access, collection)


def test_read_covers_reading_of_its_collection_and_nothing_else() -> None:
    access = _access("patients.read")
    assert policy.allows(access, "patients", write=False)
    assert not policy.allows(access, "patients", write=True)
    assert not policy.allows(access, "messages", write=False)
    assert not policy.allows(access, policy.CHANGES, write=False)


def test_a_write_only_scope_writes_and_does_not_see() -> None:
    access = _access("patients.write messages.read")
    assert policy.allows(access, "patients", write=True)
    assert not policy.allows(access, "patients", write=False)
    assert not policy.sees(access, "patients")
    assert policy.sees(_access("patients.write patients.read"), "patients")


def test_every_verb_has_a_right_that_covers_it() -> None:
    assert set(policy.COVERED_BY.values()) == set(policy.RIGHTS)
    assert {verb for verb, right in policy.COVERED_BY.items() if right == "write"} == {
        "create",
        "update",
        "delete",
    }


def test_the_shape_of_a_client_goes_with_its_token() -> None:
    assert _access("all", "enveloped").enveloped
    assert not _access("all").enveloped


def test_scopes_come_back_once_each_and_in_their_order() -> None:
    text = "messages.read  patients.write\tmessages.read changes.read"
    assert policy.parse(text, COLLECTIONS) == ("messages.read", "patients.write", "changes.read")


@pytest.mark.parametrize(
    "scope",
    [
        "",
        "  ",
        "ALL",
        "patients",
        "patients.",
        ".read",
        "patients.delete",
        "patient.read",
        "changes.write",
        "patients.read,all",
        "*",
    ],
)
def test_a_scope_that_does_not_exist_is_refused_in_words(scope: str) -> None:
    with pytest.raises(ApiError) as refused:
        policy.parse(scope, COLLECTIONS)
    assert refused.value.status == 400
    assert "phone_numbers" in refused.value.problems[0].detail


def test_without_collections_the_form_alone_is_checked() -> None:
    assert policy.parse("anything.read") == ("anything.read",)
    with pytest.raises(ApiError):
        policy.parse("anything.read'")


def test_what_goes_beyond_the_grant_is_told() -> None:
    assert policy.beyond(("patients.read",), ("patients.read", "messages.read")) == ()
    assert policy.beyond(("patients.read", "messages.write"), ("patients.read",)) == (
        "messages.write",
    )
    assert policy.beyond(("all",), ("patients.read", "patients.write")) == ("all",)
    assert policy.beyond(("messages.write", "changes.read"), ("all",)) == ()
