"""Published designs at hand: what is published never changes, so that each version is read once a
process.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from almoner.database import Connection
from almoner.workshop import published_programs
from almoner.workshop.published_programs import Element

_MOST: Final = 2000
_known: OrderedDict[tuple[int, str, str, int], Element] = OrderedDict()


async def designs(
    connection: Connection, environment_id: int, keys: Iterable[tuple[str, str, int]]
) -> dict[tuple[str, str, int], Element]:
    """These designs by kind (``assessment``, ``custom_data_type``), id or name, and version; those
    alone that there are.
    """
    elements = {}
    for kind, name, version in keys:
        key = (environment_id, kind, name, version)
        design = _known.get(key) or await published_programs.element(
            connection, environment_id, kind, name, version
        )
        if design is not None:
            elements[kind, name, version] = _known[key] = design
            _known.move_to_end(key)
    while len(_known) > _MOST:
        _known.popitem(last=False)
    return elements
