"""A program: what an environment's care program is made of, as the API checks against it.

The Workshop designs and publishes it; here it is a value. Its assessment specs and custom data types are made of the same
fields as the built-in collections.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from almoner.fields import Object


@dataclass(frozen=True)
class Spec:
    """One published version of an assessment spec. ``version`` starts at 1 and grows when the spec changes."""

    id: str
    name: str
    version: int
    title: str
    model: Object


@dataclass(frozen=True)
class CustomDataType:
    """One published version of a custom data type."""

    name: str
    version: int
    body: Object


@dataclass(frozen=True)
class Program:
    """The newest published program of an environment; ``version`` is 0 where nothing has been published yet.

    ``specs`` holds every published version, keyed by spec id and version, so that a response can name an older one.
    """

    version: int = 0
    phases: Collection[str] = ()
    appointment_types: Collection[str] = ()
    task_types: Collection[str] = ()
    specs: Mapping[tuple[str, int], Spec] = field(default_factory=dict)
    newest_specs: Mapping[str, Spec] = field(default_factory=dict)
    custom_data_types: Mapping[str, CustomDataType] = field(default_factory=dict)

    def names(self, of: str) -> Collection[str]:
        """The names that the program defines: of ``phases``, ``appointment_types`` or ``custom_data_types``."""
        choices: Collection[str] = getattr(self, of)
        return choices
