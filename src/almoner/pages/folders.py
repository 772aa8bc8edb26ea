"""Finding the pages: each is a folder with a ``page.py`` whose ROUTES say where it answers. No list
of them is kept by hand.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from almoner.pages.route import PageRoute


def page_routes(package: ModuleType) -> tuple[PageRoute, ...]:
    """The routes of every page in a package, fixed addresses before those with an open part, so
    that neither hides the other.
    """
    routes: list[PageRoute] = []
    for module in iter_modules(package.__path__):
        if module.ispkg and any(
            inner.name == "page" for inner in iter_modules([f"{package.__path__[0]}/{module.name}"])
        ):
            routes += import_module(f"{package.__name__}.{module.name}.page").ROUTES
    return tuple(sorted(routes, key=_openness))


def _openness(route: PageRoute) -> tuple[tuple[int, str], ...]:
    parts = route.path.split("/")
    return tuple(
        (2 if part.endswith(":path}") else 1 if part.startswith("{") else 0, part) for part in parts
    )
