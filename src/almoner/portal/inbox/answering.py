"""How the inbox answers what was done in it: with the list drawn again, and the way back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.responses import Response

from almoner.database import Connection
from almoner.pages import parsing
from almoner.pages.visit import Form, Visit
from almoner.portal import live
from almoner.portal.inbox.rows import ACT, action_fields
from almoner.portal.inbox.services import Gone
from almoner.portal.inbox.view import MOST_ROWS, InboxActionResult, gather, view_of

_FOLDER: Final = "portal/inbox"


async def answer(
    visit: Visit,
    do: Callable[[Connection, Form], Awaitable[InboxActionResult | Response]],
    *changed: str,
) -> Response:
    """Does something and draws the list again, with what was done; the focus goes to the row that
    took the place of this one.

    ``changed`` are the collections that were written, for what else on the page shows them. A
    Response of ``do`` is a question first."""
    form = _pressed(await visit.form())
    view = view_of(visit, form.text)
    try:
        async with visit.connection() as connection:
            result = await do(connection, form)
    except Gone as gone:
        result = InboxActionResult(gone.text, refused=True)
    if isinstance(result, Response):
        return result
    if not visit.is_fragment and not result.refused:
        return visit.go(view.path())
    inbox = await gather(visit, view, result, parsing.whole(form.text("row"), high=MOST_ROWS) or 0)
    status = 409 if result.refused else 200
    if not visit.is_fragment:
        return visit.page(f"{_FOLDER}/inbox.html", inbox, status)
    return visit.fragment(f"{_FOLDER}/list.html", inbox, status, live.trigger(*changed))


def _pressed(form: Form) -> Form:
    """The form with what its button says, as fields of its own."""
    rest = (pair for pair in form.pairs if pair[0] != ACT)
    return Form((*rest, *action_fields(form.text(ACT))))
