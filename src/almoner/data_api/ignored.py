"""What a body says and the operation does not do: told in the header ``X-Ignored-Fields``, never
dropped in silence.
"""

from __future__ import annotations

from typing import Any

from almoner.data_api.declare import Resource, Row
from almoner.data_api.writes import Written
from almoner.vocabulary import json_values
from almoner.vocabulary.fields import Field, Shape
from almoner.vocabulary.kinds import Problems
from almoner.vocabulary.times import iso

HEADER = b"x-ignored-fields"


def differing(resource: Resource, shape: Shape, written: Written) -> list[str]:
    """The names of what was ignored and is not what the row has (clarification 9), in the order in
    which they were sent.

    Of a new row the database gives the id and the times, whose null is no loss.
    """
    row: Row = json_values.decode(written.body)
    before = written.before
    if before is not None and "updated_at" in row:
        row["updated_at"] = iso(before)
    names = resource.spelled[shape].names
    own = () if before is not None else ("id", "updated_at", "created_at")
    return [
        key
        for key, value in (written.ignored or {}).items()
        if not (value is None and names[key].name in own)
        and not _same(names[key], value, row.get(key))
    ]


def _same(field: Field, value: Any, other: Any) -> bool:
    """Whether two JSON values mean the same: a phone number in two notations, a moment in two
    zones.
    """
    return value == other or (
        value is not None and other is not None and _meaning(field, value) == _meaning(field, other)
    )


def _meaning(field: Field, value: Any) -> Any:
    problems: Problems = []
    decoded = field.kind.decode(value, "", problems)
    return value if problems else decoded
