"""What ends with a new row: an appointment with the visit that it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Ending:
    """A row of another collection, whose id a new row has in ``field``, is given these ``values``;
    unless one of them is set there already.
    """

    field: str
    resource: str
    values: Mapping[str, Any]
