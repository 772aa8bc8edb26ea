"""A sheet beside a patient's timeline, that something is written down on: a call, a note. What is
typed on it is a draft of its worker until it is saved, as that of an assessment is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.pages import parsing
from almoner.pages.security import local_path
from almoner.pages.visit import Form, Visit
from almoner.portal.assessments import drafts
from almoner.portal.assessments.drafts import TabInput
from almoner.portal.patient import Patient

# What a button of a sheet asks for; a form that is sent by itself asks for nothing but its draft.
CLOSE: Final = "close"
SAVE: Final = "save"
# No assessment has an id with a colon.
_SPEC: Final = "sheet:{}"
_VERSION: Final = 0
# What a form is sent with beside what was typed.
_APART: Final = frozenset({"csrf", "do", "back", "list", "row"})
# The list that a sheet may stand beside.
_LIST: Final = "/inbox"

Entered = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class ListBeside:
    """The list that a sheet stands beside, and the number of the row that it was opened from: the
    list is drawn again once something is written, and the row has the focus again.
    """

    path: str
    row: str

    @property
    def fragment(self) -> str:
        """The address of the list alone."""
        return self.path.replace(_LIST, f"{_LIST}/list", 1)

    @property
    def focus(self) -> str:
        """The id of what has the focus then."""
        return f"act-{self.row}"


@dataclass(frozen=True)
class ClosedSheet:
    """What stands where a sheet was: nothing."""

    beside: ListBeside | None


def list_beside(text: Callable[[str], str]) -> ListBeside | None:
    """The list beside which a sheet is asked for or sent; None where it stands beside none."""
    path, row = text("list"), parsing.whole(text("row"))
    is_list = path == _LIST or path.startswith(f"{_LIST}?")
    return ListBeside(path, str(row or 0)) if is_list else None


def leads_to(visit: Visit, patient: Patient, text: Callable[[str], str]) -> str:
    """The page that a sheet leads back to: the list that it was asked for from, or the profile,
    where it is a page of its own; blank where it stands beside something.
    """
    if back := text("back"):
        return back
    if visit.is_fragment:
        return ""
    beside = list_beside(text)
    return beside.path if beside else f"/patients/{patient.id}"


def _entered(form: Form) -> Entered:
    """What was typed on a sheet, by control."""
    return [(name, value) for name, value in form.pairs if name not in _APART]


async def draft(
    visit: Visit, connection: Connection, patient_id: str, sheet: str
) -> tuple[Form | None, datetime | None]:
    """The visitor's draft of a sheet about a patient as it was sent, and when; None for none."""
    known = await drafts.find(visit, connection, patient_id, _SPEC.format(sheet))
    if known is None:
        return None, None
    pairs = ((name, text) for name, texts in known.texts.items() for text in texts)
    return Form(pairs), known.saved_at


async def renew_draft(
    visit: Visit, connection: Connection, patient_id: str, sheet: str, form: Form, *, is_blank: bool
) -> None:
    """Keeps what was typed on a sheet, or nothing of it where it is as before anybody typed."""
    async with connection.transaction():
        if is_blank:
            await drop(visit, connection, patient_id, sheet)
        else:
            await _keep(visit, connection, patient_id, sheet, _entered(form))


async def _keep(
    visit: Visit, connection: Connection, patient_id: str, sheet: str, pairs: Entered
) -> None:
    """Keeps what was typed; the last of two tabs holds. ``connection`` is in a transaction.

    Nothing of it is kept where the visitor may not see the patient."""
    spec_id = _SPEC.format(sheet)
    known = await drafts.find(visit, connection, patient_id, spec_id)
    texts = {name: [value for key, value in pairs if key == name] for name, _ in pairs}
    before = known.texts if known else {}
    blank = {name: [""] for name in before if name not in texts}
    bases = {name: [before.get(name, [])] for name in (*texts, *blank)}
    await drafts.save(
        visit,
        connection,
        patient_id=patient_id,
        spec_id=spec_id,
        version=_VERSION,
        entered=TabInput(texts | blank, bases),
        begun=known is not None,
    )


async def drop(visit: Visit, connection: Connection, patient_id: str, sheet: str) -> None:
    """Removes the draft, once it is saved or nothing is typed on it any more."""
    await drafts.drop(visit, connection, patient_id, _SPEC.format(sheet))


def closed(visit: Visit, patient: Patient, back: str, beside: ListBeside | None = None) -> Response:
    """The sheet is closed, and the page that it stood on is there again; another one where the
    form says so (``back``), and the profile where it had a page of its own.
    """
    if back or not visit.is_fragment:
        return visit.go(local_path(back) if back else f"/patients/{patient.id}")
    return visit.fragment("portal/closed_sheet.html", ClosedSheet(beside))


def is_untyped(visit: Visit, text: str) -> bool:
    """Whether a note says nothing but what it was begun with."""
    begun = {template.strip() for template in visit.program.note_templates.values()}
    return text.strip() in {"", *begun}


def with_template(visit: Visit, text: str, note_type: str) -> str:
    """A note with what its type begins with, where nothing else is typed yet."""
    return visit.program.note_templates.get(note_type, "") if is_untyped(visit, text) else text


def labelled(titles: Iterable[tuple[str, str]], blank: str) -> list[tuple[str, str]]:
    """Options of a choice that begins with none of them."""
    return [("", blank), *titles]
