"""What each part of a program is made of, derived from the types in ``design``.

The file's reader and writer, its schema, the editors, the comparison and the merge go by this
description, so that a member which is added to ``design`` is read, written, edited and compared
without a further word."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

import msgspec.inspect as described
from msgspec import NODEFAULT, Struct
from msgspec.structs import replace

from almoner.vocabulary.contact_kinds import is_blank

P = TypeVar("P", bound=Struct)
T = TypeVar("T", bound=Struct)
Holds = Literal["text", "texts", "truth", "whole", "number", "scalar", "numbers", "part", "parts"]


@dataclass(frozen=True)
class Member:
    """One member of a part of a program.

    ``key`` is its name in a file and in JSON, ``attribute`` that in Python. ``holds``: ``text``,
    ``texts`` (a list of text), ``truth``, ``whole`` (a whole number), ``number``, ``scalar`` (text,
    a number or yes and no), ``numbers`` (a number for each of some texts), ``part`` (another part,
    of the type ``struct``) or ``parts`` (a list of such). ``may_be_none`` tells that None is a
    value of its own. ``choices`` are the only texts that are accepted, where there are any;
    ``names`` is the group of the program that a text names an item of, ``beside`` the list of texts
    whose items these numbers are of. ``least`` and ``most`` bound a number, both inclusive;
    ``longest`` counts characters."""

    key: str
    attribute: str
    title: str
    description: str
    holds: Holds
    required: bool
    default: Any
    may_be_none: bool = False
    struct: type[Struct] | None = None
    choices: tuple[str, ...] = ()
    names: str = ""
    widget: str = ""
    beside: str = ""
    example: Any = None
    not_blank: bool = False
    longest: int | None = None
    least: int | None = None
    most: int | None = None

    def problem(self, value: Any) -> str | None:
        """What is wrong with one value of the right type, an item of a list included, in words;
        None where it fits.
        """
        if isinstance(value, str):
            return self._text_problem(value)
        if (
            self.least is not None
            and self.most is not None
            and not self.least <= value <= self.most
        ):
            return f"a number from {self.least} to {self.most} is expected"
        return None

    def _text_problem(self, value: str) -> str | None:
        if self.not_blank and is_blank(value):
            return "this must not be blank"
        if self.longest is not None and len(value) > self.longest:
            return f"this is longer than {self.longest} characters"
        if self.choices and value not in self.choices:
            return f"{value} is not known here; one of these is expected: {', '.join(self.choices)}"
        return None


@cache
def members(struct: type[Struct]) -> tuple[Member, ...]:
    """The members of a part, in the order of their declaration."""
    described_type = described.type_info(struct)
    assert isinstance(described_type, described.StructType)
    hints = get_type_hints(struct, include_extras=True)
    return tuple(_member(field, _choices(hints[field.name])) for field in described_type.fields)


@cache
def by_key(struct: type[Struct]) -> Mapping[str, Member]:
    """The members of a part by their names in a file."""
    return {member.key: member for member in members(struct)}


def identity(struct: type[Struct]) -> str:
    """The attribute that tells an item of this type from its neighbours in a list; blank for what
    stands in no list.
    """
    name: str = getattr(struct, "identity", "")
    return name


def is_whole(struct: type[Struct]) -> bool:
    """Whether parts of this type mean something only as a whole: half of one and half of another
    are neither.
    """
    whole: bool = getattr(struct, "is_whole", False)
    return whole


@cache
def distinct(struct: type[Struct]) -> tuple[Member, ...]:
    """The members that no two items of a list may share; the identity comes first. None where
    several may be of one name (``may_repeat``).
    """
    if getattr(struct, "may_repeat", False):
        return ()
    names = (identity(struct), *getattr(struct, "distinct", ()))
    return tuple(member for name in names for member in members(struct) if member.attribute == name)


def walk(part: Struct, path: str = "") -> Iterator[tuple[str, Struct]]:
    """This part and every part inside it, outer ones first, each with its path such as
    ``assessments[0].sections[1]``.
    """
    yield path, part
    for member in _inner(type(part)):
        value = getattr(part, member.attribute)
        at = f"{path}.{member.key}" if path else member.key
        if member.holds == "part" and value is not None:
            yield from walk(value, at)
        elif member.holds == "parts":
            for number, item in enumerate(value):
                yield from walk(item, f"{at}[{number}]")


def with_items(part: P, steps: Sequence[tuple[str, int]], *items: Struct) -> P:
    """The part with these in the place of the item that the steps lead to, each the attribute of a
    list and a number in it; behind the last one where there is none of this number.
    """
    (attribute, number), *inner = steps
    there = getattr(part, attribute)
    inside = (with_items(there[number], inner, *items),) if inner else items
    return replace(part, **{attribute: (*there[:number], *inside, *there[number + 1 :])})


def mapped(part: P, of: type[T], change: Callable[[T], T]) -> P:
    """The part with every part of a type that is inside of it changed; outer ones last."""
    inside = {}
    for member in _inner(type(part)):
        value = getattr(part, member.attribute)
        if member.holds == "parts":
            inside[member.attribute] = tuple(mapped(item, of, change) for item in value)
        elif value is not None:
            inside[member.attribute] = mapped(value, of, change)
    whole: Any = replace(part, **inside)
    return cast(P, change(whole) if isinstance(whole, of) else whole)


@cache
def _inner(struct: type[Struct]) -> tuple[Member, ...]:
    return tuple(member for member in members(struct) if member.struct is not None)


def _choices(hint: Any) -> tuple[str, ...]:
    """The texts of a Literal within a type, as declared: msgspec sorts them."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return next((choices for inner in get_args(hint) if (choices := _choices(inner))), ())


def _member(field: described.Field, choices: tuple[str, ...]) -> Member:
    meta: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    kind, may_be_none = _bare(field.type, meta, extra)
    default = field.default_factory() if field.default_factory is not NODEFAULT else field.default
    return Member(
        key=field.encode_name,
        attribute=field.name,
        title=meta.get("title", field.name.replace("_", " ").capitalize()),
        description=meta.get("description", ""),
        required=field.required,
        default=None if default is NODEFAULT else default,
        may_be_none=may_be_none,
        choices=choices,
        widget=extra.get("widget", ""),
        beside=extra.get("beside", ""),
        example=next(iter(meta.get("examples", ())), None),
        **_contents(kind, extra),
    )


def _bare(
    kind: described.Type, meta: dict[str, Any], extra: dict[str, Any]
) -> tuple[described.Type, bool]:
    """The type inside of what is said about it, and whether it may be None. What is said is put
    into ``meta`` and ``extra``.
    """
    while isinstance(kind, described.Metadata):
        # What stands further out is said about this member, what stands further in about its type
        # in general.
        meta.update({**(kind.extra_json_schema or {}), **meta})
        extra.update({**(kind.extra or {}), **extra})
        kind = kind.type
    if not isinstance(kind, described.UnionType):
        return kind, False
    rest = tuple(each for each in kind.types if not isinstance(each, described.NoneType))
    may_be_none = len(rest) < len(kind.types)
    if len(rest) == 1:
        return _bare(rest[0], meta, extra)[0], may_be_none
    return described.UnionType(rest), may_be_none


def _contents(kind: described.Type, extra: dict[str, Any]) -> dict[str, Any]:
    if isinstance(kind, described.VarTupleType):
        item_extra: dict[str, Any] = {}
        item, _ = _bare(kind.item_type, {}, item_extra)
        contents = _contents(item, item_extra)
        return contents | {"holds": "parts" if contents["holds"] == "part" else "texts"}
    return _SINGLE[type(kind)](kind) | {"names": extra.get("names", "")}


def _text(kind: Any) -> dict[str, Any]:
    # A pattern stands for "not blank": the types declare no other.
    return {"holds": "text", "not_blank": kind.pattern is not None, "longest": kind.max_length}


def _number(kind: Any) -> dict[str, Any]:
    of_text = any(isinstance(each, described.StrType) for each in kind.types)
    return {"holds": "scalar" if of_text else "number"}


_SINGLE: Final[dict[type[described.Type], Callable[[Any], dict[str, Any]]]] = {
    described.StrType: _text,
    described.LiteralType: lambda kind: {"holds": "text"},
    # An element and its version, in what is published of a program.
    described.TupleType: lambda kind: {"holds": "text"},
    described.BoolType: lambda kind: {"holds": "truth"},
    described.IntType: lambda kind: {"holds": "whole", "least": kind.ge, "most": kind.le},
    described.UnionType: _number,
    described.DictType: lambda kind: {"holds": "numbers"},
    described.StructType: lambda kind: {"holds": "part", "struct": kind.cls},
}
