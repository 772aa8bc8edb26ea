"""Handing a caseload over: asked for, looked at with its numbers, done, and perhaps taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.errors import ApiError
from almoner.pages.forms.refusals import refusals
from almoner.pages.route import PageRoute
from almoner.pages.visit import Form, Visit
from almoner.portal.handover import services
from almoner.portal.handover.queries import MOST, MOST_FLOWS
from almoner.portal.handover.services import Handover, Share, TooMuchError
from almoner.portal.workers import Worker, to_choose
from almoner.vocabulary.kinds import Guid

_FOLDER: Final = "portal/handover"
_MAY: Final = ("give_care", "supervise", "administer")
_TOO_MUCH: Final = (
    f"That is more than {MOST:,} patients or tasks, or {MOST_FLOWS:,} care flows with steps of"
    " theirs. Leave the steps out, or hand over a part from the panel."
)


@dataclass(frozen=True, kw_only=True)
class HandoverForm:
    """What the form holds; ``givers`` and ``takers`` are pairs of id and name. ``errors`` are by
    field.
    """

    givers: Sequence[tuple[str, str]]
    takers: Sequence[tuple[str, str]]
    giver: str
    chosen: Sequence[str]
    note: str = ""
    tasks: bool = True
    steps: bool = True
    errors: dict[str, str]


@dataclass(frozen=True)
class HandoverPreview:
    """Who would get what; ``is_empty``: there is nothing to hand over."""

    asked: Handover
    shares: Sequence[Share]
    is_empty: bool


@dataclass(frozen=True)
class HandoverDone:
    """What was done; ``request`` takes it back, blank where it is taken back already. ``undone``
    counts what came back.
    """

    shares: Sequence[Share]
    request: str = ""
    undone: int | None = None


async def show(visit: Visit) -> Response:
    async with visit.connection() as connection:
        givers, takers = await _workers(visit, connection, visit.query("from"))
    ids = [worker.id for worker in givers]
    asked = visit.query("from")
    giver = asked if asked in ids else visit.worker.worker_id if len(ids) == 1 else ""
    return visit.page(
        f"{_FOLDER}/ask.html",
        HandoverForm(
            givers=[worker.choice for worker in givers],
            takers=[worker.choice for worker in takers],
            giver=giver,
            chosen=(),
            errors={},
        ),
    )


async def preview(visit: Visit) -> Response:
    """Who would get what. Nothing is done yet."""
    sent = await visit.form()
    async with visit.transaction() as connection:
        asked, form = await _asked(visit, connection, sent)
        if asked is None:
            return visit.page(f"{_FOLDER}/ask.html", form, 400)
        try:
            shares = await services.shares(visit, connection, asked)
        except TooMuchError:
            return _refused(visit, form, _TOO_MUCH)
    is_empty = not any(share.patients or share.tasks or share.flows for share in shares)
    return visit.page(f"{_FOLDER}/look.html", HandoverPreview(asked, shares, is_empty))


async def perform(visit: Visit) -> Response:
    """Does what was looked at, as it is by now."""
    sent = await visit.form()
    async with visit.connection() as connection:
        asked, form = await _asked(visit, connection, sent)
    if asked is None:
        return visit.page(f"{_FOLDER}/ask.html", form, 400)
    try:
        shares = await services.perform(visit, asked)
    except TooMuchError:
        return _refused(visit, form, _TOO_MUCH)
    except ApiError as error:
        if error.status >= 500:
            raise
        return _refused(visit, form, refusals(error))
    return visit.page(f"{_FOLDER}/done.html", HandoverDone(shares, visit.request_id))


async def undo(visit: Visit) -> Response:
    """Takes it back, as far as nobody has changed it since."""
    undone = await services.undo(visit, (await visit.form()).text("request"))
    return visit.page(f"{_FOLDER}/done.html", HandoverDone((), undone=undone))


async def _workers(
    visit: Visit, connection: Connection, also: str
) -> tuple[list[Worker], list[Worker]]:
    """Who may be handed over from, one whose account is closed only where they are named; and who
    may take. Whose role shows them their own patients alone hands over their own.
    """
    named = Guid().decode(also, "", [])
    workers = await to_choose(connection, visit.environment_id, [named])
    may_all = visit.rights.all_patients or "administer" in visit.rights.may
    givers = [w for w in workers if may_all or w.id == visit.worker.worker_id]
    takers = [worker for worker in workers if worker.may_care(visit.program)]
    return givers, takers


async def _asked(
    visit: Visit, connection: Connection, sent: Form
) -> tuple[Handover | None, HandoverForm]:
    """What a form asks for, None where something is wrong with it; and the form as it was sent."""
    giver_id, chosen = sent.text("from"), sent.texts("to")
    givers, takers = await _workers(visit, connection, giver_id)
    giver = next((worker for worker in givers if worker.id == giver_id), None)
    to = [worker for worker in takers if worker.id in chosen and worker.id != giver_id]
    errors = {}
    if giver is None:
        errors["from"] = "Choose whose caseload it is."
    if not to:
        errors["to"] = "Choose at least one other worker."
    form = HandoverForm(
        givers=[worker.choice for worker in givers],
        takers=[worker.choice for worker in takers],
        giver=giver_id,
        chosen=chosen,
        note=sent.text("note").strip(),
        tasks=sent.truth("tasks"),
        steps=sent.truth("steps"),
        errors=errors,
    )
    if giver is None or errors:
        return None, form
    asked = Handover(giver=giver, takers=to, note=form.note, tasks=form.tasks, steps=form.steps)
    return asked, form


def _refused(visit: Visit, form: HandoverForm, text: str) -> Response:
    form.errors[""] = text
    return visit.page(f"{_FOLDER}/ask.html", form, 400)


ROUTES: Final = (
    PageRoute("/handover", show, may=_MAY),
    PageRoute("/handover", preview, may=_MAY, methods=("POST",), repeatable=True),
    PageRoute("/handover/do", perform, may=_MAY, methods=("POST",)),
    PageRoute("/handover/undo", undo, may=_MAY, methods=("POST",)),
)
