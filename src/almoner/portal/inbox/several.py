"""What is done to several rows of the inbox at once, and taken back at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import problem
from almoner.pages.filters import counted
from almoner.pages.visit import Form, Visit
from almoner.portal.inbox.answering import answer
from almoner.portal.inbox.handlers import ACTIONS
from almoner.portal.inbox.rows import Action, PatientItems
from almoner.portal.inbox.services import Gone
from almoner.portal.inbox.view import InboxActionResult, gathered, view_of

_CHANGED: Final = ("care_flows", "message_reads", "alerts", "worker_tasks")
# The letter of what is done with a reason.
_DONE: Final = "e"
_UNDOING: Final = msgspec.json.Decoder(tuple[str, tuple[tuple[str, str], ...]])


async def complete(visit: Visit) -> Response:
    """Does of each chosen row what its first reason asks for, where that is what was on the page.

    What others did or changed meanwhile, and what nothing can be ticked off of, is left.
    """
    form = await visit.form()
    chosen, drawn = set(form.texts("patient")), set(form.texts("drawn"))
    gathering = await gathered(visit, view_of(visit, form.text), datetime.now(UTC))
    rows = [row for row in gathering.rows if row.id in chosen and row.items[0].key in drawn]

    async def do(connection: Connection, form: Form) -> InboxActionResult:
        results = [await _done(visit, connection, row) for row in rows]
        done = [result for result in results if result is not None]
        left = len(chosen) - len(done)
        words = f"Done: {counted(len(done), 'row')}."
        if left:
            words += f" {counted(left, 'row')} stayed: nothing to tick off, or changed meanwhile."
        undos = [result.undo for result in done if result.undo is not None]
        undo = Action("Undo", "/inbox/several/undo", "u", _fields(undos)) if undos else None
        return InboxActionResult(words, undo=undo)

    return await answer(visit, do, *_CHANGED)


async def undo(visit: Visit) -> Response:
    """Takes back what was done to several; what others went on with stays."""

    async def do(connection: Connection, form: Form) -> InboxActionResult:
        number = 0
        for text in form.texts("undo"):
            try:
                path, fields = _UNDOING.decode(text)
                act, _ = ACTIONS[path]
            except (msgspec.DecodeError, KeyError):
                raise problem("bad_request", "This is no form of the inbox.") from None
            try:
                number += isinstance(await act(visit, connection, Form(fields)), InboxActionResult)
            except Gone:
                continue
        return InboxActionResult(f"Taken back: {counted(number, 'row')}.")

    return await answer(visit, do, *_CHANGED)


async def _done(
    visit: Visit, connection: Connection, row: PatientItems
) -> InboxActionResult | None:
    """Does what the first reason asks for; None where there is nothing, or somebody was faster."""
    reason = row.items[0].in_words()
    actions = (reason.main, *((reason.other,) if reason.other else ()))
    action = next((each for each in actions if each.letter == _DONE and each.fields), None)
    if action is None:
        return None
    act, _ = ACTIONS[action.path]
    try:
        result = await act(visit, connection, Form(action.fields or ()))
    except Gone:
        return None
    return result if isinstance(result, InboxActionResult) else None


def _fields(undos: Sequence[Action]) -> tuple[tuple[str, str], ...]:
    return tuple(
        ("undo", msgspec.json.encode((undo.path, undo.fields or ())).decode()) for undo in undos
    )
