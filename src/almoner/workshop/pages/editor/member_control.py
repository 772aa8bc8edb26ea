"""What a template sees of the form of a part: a control for each member, and the items of lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from almoner.pages.visit import Form
from almoner.workshop.pages.editor.sources import Option, Sources
from almoner.workshop.shape import Member

# fmt: off
Control = Literal[
    "text", "code", "textarea", "lines", "rows", "number", "tick", "radios", "select", "boxes",
    "scalar", "numbers", "part", "parts", "condition",
]
# fmt: on


@dataclass(frozen=True, kw_only=True)
class ListItem:
    """An item of a list: a card of its own, or a row of few controls.

    ``at`` is the name of the item in the form, ``number`` what it is known by there.
    """

    at: str
    number: str
    title: str
    error: str
    fields: tuple[MemberControl, ...]
    place: int
    is_first: bool
    is_last: bool


@dataclass(frozen=True, kw_only=True)
class MemberControl:
    """A member as its form shows it.

    ``text`` is that of a single value, ``chosen`` what is ticked of several; ``present`` tells
    whether a value that may be None is there; ``noun`` is what an item of a list is called;
    ``scalar_type`` of which type a value is that may be of several. ``remark`` is worth a thought,
    but no error. ``suggests`` is the name of the field that this one's words become the API's name
    in, ``suggested`` tells there that they still do. ``redraws``: the form is drawn again for
    another value."""

    name: str
    control: Control
    member: Member
    error: str = ""
    text: str = ""
    chosen: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    present: bool = True
    scalar_type: str = ""
    noun: str = ""
    remark: str = ""
    suggests: str = ""
    suggested: bool = False
    redraws: bool = False
    items: tuple[ListItem, ...] = ()
    fields: tuple[MemberControl, ...] = ()


@dataclass(frozen=True)
class Drawing:
    """What every control of a form is made from: what was sent, what can be named, and what is
    wrong by the name of its field.
    """

    form: Form
    sources: Sources
    errors: Mapping[str, str]
