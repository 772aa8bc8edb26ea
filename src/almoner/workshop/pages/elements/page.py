"""Where the lists and editors of the groups answer. Assessments have an editor of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import partial

from starlette.responses import Response

from almoner.pages.route import PageRoute
from almoner.pages.visit import Visit
from almoner.workshop.pages.elements import editor_page, list_page
from almoner.workshop.pages.elements.group import GROUP, ElementGroup

Handler = Callable[[Visit, ElementGroup], Awaitable[Response]]


def _routes(group: ElementGroup) -> Iterator[PageRoute]:
    key = group.key
    if not group.is_list:
        yield _route(group.path, editor_page.show, group)
        yield _route(f"/workshop/save/{key}", editor_page.save, group, "POST")
        yield _route(
            f"/workshop/preview/{key}", editor_page.show_preview, group, "POST", repeatable=True
        )
        return
    yield _route(group.path, list_page.show, group)
    yield _route(f"/workshop/arrange/{key}", list_page.arrange, group, "POST")
    yield _route(f"/workshop/remove/{key}/{{item:path}}", list_page.ask, group)
    yield _route(f"/workshop/remove/{key}/{{item:path}}", list_page.remove, group, "POST")
    yield _route(f"/workshop/duplicate/{key}/{{item:path}}", list_page.duplicate, group, "POST")
    yield _route(f"/workshop/new/{key}", editor_page.new, group)
    yield _route(f"/workshop/add/{key}", editor_page.save, group, "POST")
    yield _route(
        f"/workshop/preview/{key}", editor_page.show_preview, group, "POST", repeatable=True
    )
    if key != editor_page.EDITED_ELSEWHERE:
        yield _route(f"{group.path}/{{item:path}}", editor_page.show, group)
        yield _route(f"/workshop/save/{key}/{{item:path}}", editor_page.save, group, "POST")


def _route(
    path: str, handler: Handler, group: ElementGroup, method: str = "GET", repeatable: bool = False
) -> PageRoute:
    return PageRoute(
        path,
        partial(_answer, handler, group),
        may="design",
        methods=(method,),
        repeatable=repeatable,
    )


async def _answer(handler: Handler, group: ElementGroup, visit: Visit) -> Response:
    return await handler(visit, group)


ROUTES = tuple(route for group in GROUP.values() for route in _routes(group))
