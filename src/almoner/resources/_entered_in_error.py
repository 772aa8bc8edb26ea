"""What was recorded wrongly stays, and says so: the fields of a row that was entered in error."""

from __future__ import annotations

from typing import Final

from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Guid, Text
from almoner.vocabulary.times import IsoDateTime

# Workers say so in the portal; no program may. The enveloped shape is the later edition's, which
# has no such fields.
ENTERED_IN_ERROR: Final = (
    Field(
        "entered_in_error_at",
        IsoDateTime(),
        "When somebody said that it was entered in error; null where it holds.",
        create=False,
        update=False,
        not_enveloped=True,
        sample=None,
        label="Entered in error",
    ),
    Field(
        "entered_in_error_by",
        Guid(),
        "The id of the worker who said so.",
        create=False,
        update=False,
        not_enveloped=True,
        sample=None,
        label="Said by",
    ),
    Field(
        "entered_in_error_reason",
        Text(),
        "What is wrong with it.",
        create=False,
        update=False,
        not_enveloped=True,
        sample=None,
        label="Why",
    ),
)
NAMES: Final = tuple(field.name for field in ENTERED_IN_ERROR)
# The condition on rows that hold.
HOLDS: Final = "entered_in_error_at IS NULL"
