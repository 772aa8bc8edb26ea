"""How pages show the rows of a collection about a patient: declared beside its fields, with a
default for all of it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Presented:
    """What pages cannot know from the fields alone; what is left out follows from the declaration.

    ``thing`` is what people call a row, within a sentence (the ``singular``), ``things`` several of
    them, as a heading (the ``title``). ``named`` tells which row it is: a field, or an SQL
    expression over the columns (the first field of text or choice); ``versions`` are columns that
    tell by which published design it was made. ``dismissal`` is the boolean field by which people
    put a row away and bring it back, ``where`` the SQL condition over the columns for rows that
    people see (all).

    ``page`` is the page behind the patient's address where rows are shown and edited as declared,
    which several collections may share (one of its own); ``slug`` is then where the forms of this
    one go behind it. ``sections`` are the parts of the declaration that are edited there (all).
    ``card`` is what a program's layout calls the card that shows rows beside the timeline, which
    several may share as well (the collection's name).

    ``place`` is for rows that are read whole on pages of their own, behind the patient's address,
    with ``{id}`` for the row; empty where they are nowhere. None: on the ``page``. ``in_timeline``:
    whether it tells of new rows."""

    thing: str = ""
    things: str = ""
    named: str | None = None
    versions: tuple[str, ...] = ()
    dismissal: str = ""
    where: str = ""
    page: str = ""
    slug: str = ""
    sections: tuple[str, ...] = ()
    card: str = ""
    place: str | None = None
    in_timeline: bool = True
