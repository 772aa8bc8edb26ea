"""How pages show the rows of a collection about a patient: declared beside its fields, with a default for all of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Presented:
    """What pages cannot know from the fields alone; what is left out follows from the declaration.

    ``thing`` is what people call a row, within a sentence (the ``singular``), ``things`` several of them, as a heading (the
    ``title``). ``named`` tells which row it is: a field, or an SQL expression over the columns (the first field of text or
    choice); ``titles`` is the group of the program's titles by which that is put in words; ``versions`` are columns that tell by
    which published design it was made. ``says`` names the fields that the timeline tells of a new row, in this order (all of them).

    ``place`` is where a row is read whole, behind the address of the patient's profile, with ``{id}`` for the row; empty where
    it is nowhere. None: on the page and the card that are made of the declaration. ``in_timeline``: whether it tells of new rows.
    """

    thing: str = ""
    things: str = ""
    named: str | None = None
    titles: str = ""
    versions: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    place: str | None = None
    in_timeline: bool = True
