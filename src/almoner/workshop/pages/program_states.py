"""The states that a program has been in, by the word that addresses carry: ``draft``, the number of
a version, ``save-12``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from almoner.database import Connection
from almoner.errors import problem
from almoner.pages import parsing
from almoner.workshop import drafts, versions
from almoner.workshop.design import ProgramDesign
from almoner.workshop.published_programs import design_of

DRAFT: Final = "draft"
_REFERENCE: Final = re.compile(r"(?P<save>save-)?(?P<number>[1-9][0-9]{0,8})")


@dataclass(frozen=True)
class ProgramState:
    """A program as it is or was. ``title`` stands inside of a sentence: the draft, version 3, save
    12.
    """

    reference: str
    title: str
    design: ProgramDesign


async def state(connection: Connection, environment_id: int, reference: str) -> ProgramState:
    """The state that a word names. Raises a 404 ApiError where there is none in this
    environment.
    """
    if reference == DRAFT:
        return ProgramState(
            DRAFT, "the draft", (await drafts.current(connection, environment_id)).design
        )
    match = _REFERENCE.fullmatch(reference)
    try:
        if match and match["save"]:
            draft = await drafts.at(connection, environment_id, parsing.place(match["number"]))
            return ProgramState(reference, f"revision {draft.revision}", draft.design)
        if match:
            return ProgramState(
                reference,
                f"version {reference}",
                await design_of(connection, environment_id, parsing.place(reference)),
            )
    except LookupError:
        pass
    raise problem("not_found", "There is no such version or save of this program.")


async def choices(
    connection: Connection, environment_id: int, saves: int
) -> tuple[tuple[str, str], ...]:
    """What can be compared, the newest first: word and title. ``saves`` is how many saves of the
    draft are among it.
    """
    locked_versions = [
        (str(version.number), f"Version {version.number}")
        for version in await versions.list_versions(connection, environment_id)
    ]
    draft_saves = [
        (f"save-{r.revision}", f"Revision {r.revision}")
        for r in await drafts.history(connection, environment_id, saves)
    ]
    return ((DRAFT, "The draft"), *locked_versions, *draft_saves)
