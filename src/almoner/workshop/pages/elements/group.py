"""A group of a program's elements: where its pages are, and its edits as plain functions of a
design.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from almoner.pages import parsing
from almoner.workshop.design import BUILT_IN_ROLES, ProgramDesign, Role, SidebarModule
from almoner.workshop.design_words import LONGEST_NAME
from almoner.workshop.goal_target import GoalTarget
from almoner.workshop.pages.frame import GROUPS, path_of
from almoner.workshop.pairing import label, word
from almoner.workshop.shape import Member, distinct, identity, members, walk
from almoner.workshop.titles import title_member, titled


@dataclass(frozen=True)
class ElementGroup:
    """A group by its member of ProgramDesign. ``is_list`` is false for what a program has exactly
    one of.
    """

    member: Member

    @property
    def key(self) -> str:
        return self.member.key

    @property
    def title(self) -> str:
        return self.member.title

    @property
    def struct(self) -> type[Struct]:
        """What an element of it is."""
        assert self.member.struct is not None
        return self.member.struct

    @property
    def is_list(self) -> bool:
        return self.member.holds == "parts"

    @property
    def noun(self) -> str:
        """What an element is called in a sentence."""
        return word(self.member) if self.is_list else label(self.member)

    @property
    def path(self) -> str:
        return path_of(self.key)

    def name_of(self, element: Any) -> str:
        """What identifies an element among its neighbours."""
        name: str = getattr(element, identity(self.struct)) if self.is_list else ""
        return name

    def items(self, design: ProgramDesign) -> tuple[Any, ...]:
        """Its elements, in order."""
        value = getattr(design, self.member.attribute)
        return value if self.is_list else (value,)

    def place(self, index: int) -> str:
        """The path of an element as problems name it."""
        return f"{self.key}[{index}]" if self.is_list else self.key

    def to(self, verb: str, element: Any = None, index: int | None = None) -> str:
        """The address of something done to an element: ``save``, ``remove``, blank for its editor.

        ``index`` is stated where a neighbour has the same name, as a draft may have for a while.
        """
        base = f"/workshop/{verb}/{self.key}" if verb else self.path
        if element is None or not self.is_list:
            return base
        at = "" if index is None else f"?{urlencode({'at': index})}"
        return f"{base}/{quote(self.name_of(element), safe='')}{at}"

    def find(self, design: ProgramDesign, name: str, at: str = "") -> int | None:
        """Where the element of this name stands, the one at ``at`` where several have it; None
        where there is none.
        """
        places = [
            number for number, item in enumerate(self.items(design)) if self.name_of(item) == name
        ]
        if (number := parsing.whole(at)) in places:
            return number
        return places[0] if places else None

    def link(self, design: ProgramDesign, index: int, verb: str = "") -> str:
        """The address of an element's editor, or of what is done to it."""
        items = self.items(design)
        same = [
            number
            for number, item in enumerate(items)
            if self.name_of(item) == self.name_of(items[index])
        ]
        return self.to(verb, items[index], index if same[0] != index else None)

    def with_items(self, design: ProgramDesign, items: Sequence[Any]) -> ProgramDesign:
        """The design with these elements in the group."""
        value = tuple(items) if self.is_list else items[0]
        return msgspec.structs.replace(design, **{self.member.attribute: value})

    def put(self, design: ProgramDesign, index: int | None, element: Any) -> ProgramDesign:
        """The design with an element at its place, whatever it is called now; at the end where it
        is new.
        """
        items = list(self.items(design))
        if index is None:
            items.append(element)
        else:
            items[index] = element
        return self.with_items(design, items)

    def without(self, design: ProgramDesign, index: int) -> ProgramDesign:
        """The design without one element."""
        return self.with_items(
            design, [item for number, item in enumerate(self.items(design)) if number != index]
        )

    def with_copy(self, design: ProgramDesign, index: int) -> tuple[ProgramDesign, str]:
        """The design with a copy behind the element, and what identifies the copy."""
        items = list(self.items(design))
        copy = items[index]
        for member in distinct(self.struct):
            taken = {getattr(item, member.attribute) for item in items}
            copy = msgspec.structs.replace(
                copy, **{member.attribute: _another(getattr(copy, member.attribute), member, taken)}
            )
        if title_member(copy) == "title" != identity(self.struct):
            copy = msgspec.structs.replace(copy, title=f"{copy.title} (copy)")
        items.insert(index + 1, copy)
        return self.with_items(design, items), self.name_of(copy)

    def ordered(self, design: ProgramDesign, order: Sequence[str]) -> ProgramDesign:
        """The design with the elements in this order of their places; places that are not named
        stay at the end.
        """
        items = self.items(design)
        places = list(
            dict.fromkeys(
                at for text in order if (at := parsing.whole(text, high=len(items) - 1)) is not None
            )
        )
        return self.with_items(
            design,
            [
                items[place]
                for place in (*places, *(p for p in range(len(items)) if p not in places))
            ],
        )


GROUP: Final = {member.key: ElementGroup(member) for member in GROUPS}


def _another(name: str, member: Member, taken: Collection[str]) -> str:
    """The name with an ending that makes it one that is not taken, in the way that such names are
    written.
    """
    endings = ("_copy{}", "_copy_{}") if member.widget == "code" else (" (copy{})", " (copy {})")
    endings_in_order = (endings[0 if n == 1 else 1].format("" if n == 1 else n) for n in count(1))
    return next(
        other
        for end in endings_in_order
        if (other := name[: LONGEST_NAME - len(end)] + end) not in taken
    )


def uses(design: ProgramDesign, group: ElementGroup, name: str) -> tuple[str, ...]:
    """Where other parts of the program name this element, in words."""
    return tuple(dict.fromkeys(_uses(design, group, name)))


def _uses(design: ProgramDesign, group: ElementGroup, name: str) -> Iterator[str]:
    for path, part in walk(design):
        for member in members(type(part)):
            value = getattr(part, member.attribute)
            named = member.names == group.key or (
                isinstance(part, SidebarModule | GoalTarget)
                and member.key == "of"
                and _measures(part, group)
            )
            if (
                named
                and value is not None
                and (name == value if isinstance(value, str) else name in value)
            ):
                yield f"{_root(design, path)} · {label(member)}"


def _measures(part: SidebarModule | GoalTarget, group: ElementGroup) -> bool:
    """Whether what it is ``of`` may be of this group."""
    is_number = isinstance(part, GoalTarget) or part.shows == "chart"
    return group.key == "custom_data_types" or (group.key == "assessments" and is_number)


def _root(design: ProgramDesign, path: str) -> str:
    """The element that a path is inside of, in words."""
    key, _, rest = path.partition("[")
    group = GROUP[key]
    element = group.items(design)[int(rest.partition("]")[0])]
    return f"{group.noun[:1].upper()}{group.noun[1:]} “{titled(element)}”"


def is_built_in(element: Any) -> bool:
    """Whether it is a role that stays in force when it is removed here."""
    return isinstance(element, Role) and element.name in {role.name for role in BUILT_IN_ROLES}
