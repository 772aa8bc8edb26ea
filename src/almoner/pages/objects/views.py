"""What templates see of a kind of object: its list, its form, and the page of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from markupsafe import Markup

from almoner.pages.forms.controls import FieldView
from almoner.pages.visit import Form
from almoner.vocabulary.names import isolated


class Chip(NamedTuple):
    """A word for the eye. ``tone`` is good, bad, warn, info or nothing."""

    text: str
    tone: str = ""


class Link(NamedTuple):
    """A way on: ``about`` is read behind its text where its place alone says whom it is about."""

    path: str
    text: str
    about: str = ""
    tone: str = ""


@dataclass(frozen=True, kw_only=True)
class ObjectRow:
    """An object in a list; ``aside`` is small, ``note`` behind the chips.

    ``person``: the names of one who is drawn beside it.
    """

    name: str
    path: str = ""
    aside: str = ""
    lines: Sequence[str] = ()
    chips: Sequence[Chip] = ()
    note: str = ""
    person: tuple[str, str] | None = None
    links: Sequence[Link] = ()


class RowGroup(NamedTuple):
    """Rows under a heading; ``empty`` says in a title and a sentence what belongs here."""

    title: str
    rows: Sequence[ObjectRow]
    empty: tuple[str, str] = ("", "")


class Tab(NamedTuple):
    """A part of the list: its address, what it is called and how many are in it."""

    path: str
    title: str
    size: int
    is_chosen: bool


class NewSecret(NamedTuple):
    """What is shown once, in the answer to the form that asked for it, such as a token.

    ``values`` are triples of an id, a label and the value; the first has the focus.
    """

    title: str
    about: str
    values: Sequence[tuple[str, str, str]]


class Offer(NamedTuple):
    """An action as the page offers it. ``question`` is asked before; blank ``button``: only
    told.
    """

    action: str
    title: str
    about: str
    button: str = ""
    question: str = ""
    yes: str = ""
    tone: str = ""


@dataclass(frozen=True, kw_only=True)
class ObjectContext:
    """Any of the pages. ``frame`` is what ``layout`` shows around it, ``path`` the address.

    ``crumbs`` lead back. Of a list: ``groups`` and ``tabs``; ``new`` leads to the form of another
    one, None where that form is here. Of a form: ``controls`` by name, ``action`` and what it was
    made from in ``hidden``. Of an object: ``offers`` and ``secret``. ``view`` is what the kind
    shows besides. ``form`` is what was sent where something was refused, ``errors`` what is wrong
    by field."""

    layout: str
    frame: Any
    title: str
    path: str
    done: str
    form: Form
    errors: Mapping[str, str]
    crumbs: Sequence[Link] = ()
    groups: Sequence[RowGroup] = ()
    tabs: Sequence[Tab] = ()
    new: Link | None = None
    controls: Mapping[str, FieldView] = field(default_factory=dict)
    action: str = ""
    hidden: Sequence[tuple[str, str]] = ()
    submit: str = ""
    remark: str = ""
    offers: Sequence[Offer] = ()
    offers_title: str = ""
    secret: NewSecret | None = None
    view: Any = None


def dotted(*parts: str) -> Markup:
    """These in a line with points between them; blank ones are left out."""
    safe = (isolated(part) if type(part) is str else part for part in parts if part)
    return Markup(" · ").join(safe)
