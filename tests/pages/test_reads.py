"""Whom an answer tells of is found in its bytes, wherever an id stands in them."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from almoner.pages.answer_audit import Reads, packed

GRACE, ADA = "0b82886c-3c98-4ddb-bc1e-56a811fd4380", "dddddddd-eeee-4fff-8000-abcdefabcdef"


class Trail:
    """Remembers what was noted."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, set[str]]] = []

    def note(
        self,
        _reader: Any,
        _request_id: str,
        act: str,
        _resource: str,
        patients: bytes,
        *_: Any,
        **__: Any,
    ) -> None:
        ids = {str(UUID(bytes=patients[at : at + 16])) for at in range(0, len(patients), 16)}
        self.noted.append((act, ids))


def noted(*sent: str, subject: str | None = None) -> list[tuple[str, set[str]]]:
    reads, trail = Reads(), Trail()
    if subject is not None:
        reads.subject(subject)
    for part in sent:
        reads.sent(part.encode())
    reads.note(cast(Any, trail), cast(Any, None), "request", "patients")
    return trail.noted


def test_an_id_is_found_wherever_it_stands_in_an_answer() -> None:
    around = (
        "{}",
        '<a href="/patients/{}">',
        "step-{}-0-1",
        "deadbeef{}",
        "{}99",
        "-{}-",
        "a-{}",
        "aaaa-bbbb-{}",
        "é{}é",
        "12345678-{}",
    )
    failed = [form for form in around if noted(form.format(GRACE)) != [("find", {GRACE})]]
    assert not failed
    assert noted(f"{GRACE}{ADA}") == [("find", {GRACE, ADA})]


def test_what_only_looks_like_an_id_is_none() -> None:
    texts = (
        "",
        "-",
        GRACE[:-1],
        GRACE[1:],
        GRACE.replace("-", ""),
        GRACE.upper(),
        "g" + GRACE[1:],
        "is-late is-today a-b-c-d-e",
    )
    assert not [text for text in texts if noted(text)]


def test_whose_record_it_is_was_read_by_its_id_and_all_others_were_found() -> None:
    assert noted(f"{GRACE} {ADA}", subject=GRACE) == [("get", {GRACE}), ("find", {ADA})]
    assert packed([GRACE]) == UUID(GRACE).bytes
