"""Whom the answer to a visit tells of, for the audit trail: found in what is sent, so that no page
has to remember it.

Every page that shows something of a patient has the patient's id in it, in an address or a field;
whose record a page is about is told besides by what reads it. Files and calendars cannot be looked
through: their parts say of whom they tell (``FilePart``)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from almoner.access.audit import AuditReader, ReadAudit

# What is looked for first is a hyphen: pages have many more hexadecimal digits, at each of which an
# id could begin.
_GUID: Final = re.compile(rb"-(?<=[0-9a-f]{8}-)[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_BEFORE_HYPHEN: Final = 8


@dataclass(frozen=True, slots=True)
class FilePart:
    """A part of a file: its bytes, and the packed ids of the patients that it tells of, which rows
    of ``resource`` were read for.

    ``body`` may be empty where what was read is sent with a later part. ``resource`` is blank where
    nothing was read."""

    body: bytes
    patients: bytes = b""
    resource: str = ""


class Reads:
    """Collects whom one answer tells of, and notes it in the trail: a ``get`` of whose record it
    is, a ``find`` of all others.
    """

    def __init__(self) -> None:
        self._subjects: dict[str, None] = {}
        self._sent: set[bytes] = set()

    def subject(self, patient_id: str) -> None:
        """The record of this patient was read by its id."""
        self._subjects[patient_id] = None

    def sent(self, body: bytes) -> None:
        """This is sent: whoever's id is in it is shown."""
        self._sent.update(
            body[match.start() - _BEFORE_HYPHEN : match.end()] for match in _GUID.finditer(body)
        )

    def note(self, audit: ReadAudit, reader: AuditReader, request_id: str, resource: str) -> None:
        """Notes what was collected. ``resource``: what the others were found in."""
        if self._subjects:
            audit.note(
                reader, request_id, "get", "patients", packed(self._subjects), through="portal"
            )
        others = packed(
            patient_id.decode()
            for patient_id in self._sent
            if patient_id.decode() not in self._subjects
        )
        if others:
            audit.note(
                reader, request_id, "find", resource, others, through="portal", of_anything=True
            )


def packed(patient_ids: Iterable[str]) -> bytes:
    """Ids as the trail keeps them: sixteen bytes each."""
    return b"".join(UUID(patient_id).bytes for patient_id in patient_ids)
