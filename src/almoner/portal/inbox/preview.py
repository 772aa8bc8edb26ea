"""A patient beside the list of the inbox, without leaving it: who they are, and what was written
last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.responses import Response

from almoner.pages.visit import Visit
from almoner.portal import patient_access, patient_bar
from almoner.portal.patient_bar import PatientBar

_LATEST: Final = """
SELECT direction = 'inbound' AS is_theirs, send_time, left(contents, 400) AS contents FROM messages
WHERE environment_id = $1 AND user_id = $2 ORDER BY send_time DESC, id DESC LIMIT 5
"""


@dataclass(frozen=True)
class PreviewMessage:
    """What was written last; ``is_theirs``: by the patient."""

    is_theirs: bool
    send_time: datetime
    contents: str


@dataclass(frozen=True)
class Preview:
    """``bar`` is None where nobody is looked at."""

    bar: PatientBar | None = None
    messages: Sequence[PreviewMessage] = ()


async def show(visit: Visit) -> Response:
    patient_id = visit.query("patient")
    if not visit.is_fragment:
        return visit.go(f"/patients/{patient_id}" if patient_id else "/inbox")
    if not patient_id:
        return visit.fragment("portal/inbox/preview.html", Preview())
    async with visit.connection() as connection:
        patient = await patient_access.patient(visit, connection, patient_id)
        rows = await connection.fetch(_LATEST, visit.environment_id, patient.id)
    messages = [PreviewMessage(**row) for row in rows]
    return visit.fragment(
        "portal/inbox/preview.html", Preview(patient_bar.of(visit, patient), messages)
    )
