"""What a panel does to many: looked at first, then done, then perhaps taken back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from almoner.errors import ApiError
from almoner.pages.forms.refusals import refusals
from almoner.pages.visit import Form, Visit
from almoner.portal.bulk_messages.page import compose
from almoner.portal.panel import acts, listing
from almoner.portal.panel.acts import MOST, ActPreview
from almoner.portal.panel.gather import PanelAsked, asked
from almoner.portal.panel.view import FOLDER, ActDone, draw
from almoner.vocabulary.kinds import Guid


@dataclass(frozen=True)
class PreviewContext:
    """What would be done, and the addresses of doing it and of going back."""

    preview: ActPreview
    perform: str
    back: str


async def preview(visit: Visit) -> Response:
    """Who it would be done to, who not and why. Nothing is done yet."""
    form, looked_at = await visit.form(), await asked(visit)
    act = looked_at.acts.of(form.text("act"))
    if act is None:
        return await draw(visit, looked_at, problem="Choose what is to be done.")
    ids = await _ids(visit, form, looked_at, MOST[act.do])
    if not ids:
        return await draw(visit, looked_at, problem="Nobody was chosen. Tick some first.")
    if len(ids) > MOST[act.do]:
        problem = f"That is done to {MOST[act.do]:,} at once at most. Filter further."
        return await draw(visit, looked_at, problem=problem)
    if act.do == "message":
        return await compose(visit, ids)
    async with visit.connection() as connection:
        would = await acts.preview(visit, connection, act, ids)
    tab, view = looked_at.tab.id, looked_at.view
    context = PreviewContext(would, view.address(tab, "/panel/act/do"), view.address(tab))
    return visit.page(f"{FOLDER}/act.html", context)


async def _ids(visit: Visit, form: Form, looked_at: PanelAsked, most: int) -> Sequence[str]:
    """Those who are ticked, or all of the view: one more than may be, where there are more."""
    if not form.truth("all"):
        return _ticked(form)
    async with visit.connection() as connection:
        return await listing.fitting(connection, looked_at.about, looked_at.view, most + 1)


def _ticked(form: Form) -> Sequence[str]:
    ids = (Guid().decode(text, "", []) for text in form.texts("patient"))
    return sorted({patient_id for patient_id in ids if patient_id})


async def perform(visit: Visit) -> Response:
    """Does what was looked at, to those of them to whom it still can be done."""
    form, looked_at = await visit.form(), await asked(visit)
    act, ids = looked_at.acts.of(form.text("act")), _ticked(form)
    if act is None or act.do == "message" or not ids or len(ids) > MOST[act.do]:
        return await draw(visit, looked_at, problem="Choose what is to be done, and to whom.")
    try:
        done = await acts.perform(visit, act, ids)
    except ApiError as error:
        if error.status >= 500:
            raise
        return await draw(visit, looked_at, problem=refusals(error))
    undo_id = visit.request_id if done.ids else ""
    return await draw(visit, await asked(visit), done=ActDone(preview=done, undo=undo_id))


async def undo(visit: Visit) -> Response:
    """Takes back what was done, as far as nobody has changed it since."""
    request_id = (await visit.form()).text("request")
    undone = await acts.undo(visit, request_id)
    looked_at = await asked(visit)
    if not undone:
        problem = (
            "This cannot be taken back any more: others have changed it since, or an hour is over."
        )
        return await draw(visit, looked_at, problem=problem)
    return await draw(visit, looked_at, done=ActDone(undone=undone))
