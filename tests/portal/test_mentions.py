"""Whom ``@`` and a name mean, in the scripts and spellings that colleagues have."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from almoner.portal.notes.mentions import mentions, suggested
from almoner.portal.patient import Patient
from almoner.portal.workers import Worker
from almoner.vocabulary.definitions import Program

_NOW = datetime(2026, 11, 30, tzinfo=UTC)
GRACE = Patient(
    id="p",
    first_name="Grace",
    last_name="Hopper",
    birthday=date(1906, 12, 9),
    timezone="US/Eastern",
    phase="intake",
    coach_id=None,
    coach=None,
    created_at=_NOW,
    updated_at=_NOW,
    merged_into=None,
    phone=None,
    calls=None,
)
NAMES = (
    "Emily Stone",
    "Seán O’Brien",
    "Seán Murphy",
    "अनिता शर्मा",
    "Maria da Conceição dos Santos Silva",
    "Maria Lopes",
    "J. R. Smith",
    "José Peña",
    "山田太郎",
    "Ann Lee",
    "Ann-Marie Roy",
)
WORKERS = [Worker(str(place), name, ("coach",)) for place, name in enumerate(NAMES)]
TWINS = [
    Worker("1", "Kim Lee", ("coach",), "kim1@example.org"),
    Worker("2", "Kim Lee", ("coach",), "kim2@example.org"),
]


def named(text: str, workers: list[Worker] = WORKERS) -> tuple[list[str], int]:
    """The ids of whom a text mentions, as names, and how many names mean nobody."""
    meant = mentions(text, workers, Program(), GRACE, "progress")
    return [worker.name for worker in meant.workers], len(meant.refused)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("@Emily's note, and @Emily.", "Emily Stone"),
        ("Ask @emily stone please", "Emily Stone"),
        ("@Seán O'Brien", "Seán O’Brien"),
        ("@Seán O’Brien knows", "Seán O’Brien"),
        ("@O’Brien", "Seán O’Brien"),
        ("@अनिता शर्मा please", "अनिता शर्मा"),
        ("@Maria da Conceição dos Santos Silva: see above", "Maria da Conceição dos Santos Silva"),
        ("@J. R. Smith", "J. R. Smith"),
        ("@Jose\u0301", "José Peña"),
        ("@山田太郎さん、お願いします", "山田太郎"),
        ("(@Ann)", "Ann Lee"),
        ("@Ann-Marie", "Ann-Marie Roy"),
        ("@Ann\nLee", "Ann Lee"),
    ],
)
def test_a_name_means_who_is_called_so_however_it_is_written(text: str, name: str) -> None:
    assert named(text) == ([name], 0)


@pytest.mark.parametrize("text", ["@Nobody", "@Emilyn", "@Annabel", "@Maria", "@Seán", "@शर्माजी"])
def test_what_means_nobody_or_several_is_refused(text: str) -> None:
    assert named(text) == ([], 1)


def test_an_e_mail_address_mentions_nobody() -> None:
    assert named("write to emily@Emily.example.org or @ once") == ([], 0)


def test_two_of_one_name_are_told_apart_by_their_addresses_as_they_are_suggested() -> None:
    assert named("@Kim Lee", TWINS) == ([], 1)
    labels = suggested("kim", TWINS, Program(), GRACE, "progress")
    assert labels == ["Kim Lee (kim1@example.org)", "Kim Lee (kim2@example.org)"]
    meant = mentions(f"@{labels[1]}: look", TWINS, Program(), GRACE, "progress")
    assert [worker.id for worker in meant.workers] == ["2"]


def test_whoever_is_suggested_is_meant_by_it() -> None:
    for worker in WORKERS:
        begun = worker.name[:2]
        assert worker.name in suggested(begun, WORKERS, Program(), GRACE, "progress")
        assert named(f"Hello @{worker.name}, look") == ([worker.name], 0)
