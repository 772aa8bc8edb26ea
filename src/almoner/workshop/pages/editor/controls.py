"""A part of a program as templates draw its form: which control each member has, with what was typed and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from almoner.pages.visit import Form
from almoner.workshop.design import FieldDesign, ProgramDesign, SidebarModule, roles
from almoner.workshop.design_problem import DesignProblem
from almoner.workshop.field_kinds import FIELD_KINDS, OPTIONS
from almoner.workshop.pages.editor.form import GIVEN, SORTS, positions, sentence, under
from almoner.workshop.shape import Member, by_key, identity, members

Control = Literal[
    "text", "code", "textarea", "lines", "number", "tick", "radios", "select", "boxes", "scalar", "numbers", "part", "parts"
]
# More than these are picked from a list that opens.
_MOST_RADIOS: Final = 4
_PLAIN_NAME: Final = re.compile(r"[a-z0-9_]+")
_ODD_NAME: Final = "Programs expect small letters, digits and underscores."
_STEP: Final = re.compile(r'\.?([^.\[\]]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]')


class Option(NamedTuple):
    """A value that can be chosen, and what people read for it."""

    value: str
    title: str


@dataclass(frozen=True, kw_only=True)
class ListItem:
    """An item of a list: a card of its own. ``at`` is the name of the item in the form, ``number`` what it is known by there."""

    at: str
    number: str
    title: str
    error: str
    fields: tuple[MemberControl, ...]
    is_first: bool
    is_last: bool


@dataclass(frozen=True, kw_only=True)
class MemberControl:
    """A member as its form shows it. ``typed`` is the text of a single value, ``chosen`` what is ticked of several; ``given`` tells
    whether a value that may be None is there; ``one`` is what an item of a list is called.
    ``remark`` is worth a thought, but no error.
    """

    name: str
    control: Control
    member: Member
    error: str = ""
    typed: str = ""
    chosen: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    given: bool = True
    sort: str = ""
    one: str = ""
    remark: str = ""
    items: tuple[ListItem, ...] = ()
    fields: tuple[MemberControl, ...] = field(default=())


Sources = Mapping[str, tuple[Option, ...]]


def sources(design: ProgramDesign) -> Sources:
    """What can be named in a program, by its group; and for a member whose values the program knows, by ``Part.key``."""
    found = {
        "phases": tuple(Option(item.name, item.title or item.name) for item in design.phases),
        "custom_data_types": tuple(Option(item.name, item.title or item.name) for item in design.custom_data_types),
        "assessments": tuple(Option(item.id, item.name) for item in design.assessments),
        "roles": tuple(Option(name, role.title or name) for name, role in roles(design).items()),
        "FieldDesign.kind": tuple(Option(name, label(name)) for name in FIELD_KINDS),
    }
    found["Question.kind"] = found["FieldDesign.kind"]
    of = f"{SidebarModule.__name__}.of"
    found[of] = found["assessments"] + found["custom_data_types"]
    parts: list[tuple[str, tuple[FieldDesign, ...]]] = [(item.name, item.questions) for item in design.assessments]
    parts += [(item.title or item.name, item.fields) for item in design.custom_data_types]
    found[f"{SidebarModule.__name__}.field"] = tuple(_numbers(parts))
    return found


def _numbers(parts: Iterable[tuple[str, tuple[FieldDesign, ...]]]) -> Iterable[Option]:
    """The fields that a chart can draw, each with where it stands."""
    places: dict[str, list[str]] = {}
    for title, fields in parts:
        for one in fields:
            if one.kind in FIELD_KINDS and FIELD_KINDS[one.kind].answer == "number":
                places.setdefault(one.name, []).append(title)
    return (Option(name, f"{name} ({', '.join(dict.fromkeys(titles))})") for name, titles in places.items())


def label(value: str) -> str:
    """What people read for a value that is a word of the declaration."""
    return value.replace("_", " ").capitalize()


def fields_of(
    struct: type[Struct], form: Form, known: Sources, prefix: str = "", errors: Mapping[str, str] | None = None
) -> tuple[MemberControl, ...]:
    """The controls of a part, in the order of its declaration. Options that do not go with the kind of a field are left out."""
    told = errors or {}
    return tuple(
        _shown(struct, member, form=form, known=known, name=under(prefix, member.key), errors=told)
        for member in members(struct)
        if not _is_beside_the_point(struct, member, form, prefix)
    )


def _is_beside_the_point(struct: type[Struct], member: Member, form: Form, prefix: str) -> bool:
    """An option that the chosen kind of field does not take, and that nothing was said for."""
    if not issubclass(struct, FieldDesign) or member.key not in OPTIONS:
        return False
    kind = FIELD_KINDS.get(form.text(under(prefix, "kind")))
    return (kind is None or member.key not in kind.takes) and not form.text(under(prefix, member.key))


def _shown(struct: type[Struct], member: Member, form: Form, known: Sources, name: str, errors: Mapping[str, str]) -> MemberControl:
    error = errors.get(name, "")
    given = not member.may_be_none or form.text(f"{name}:given") == GIVEN or form.truth(f"{name}:given")
    if member.holds == "parts":
        return MemberControl(
            name=name,
            control="parts",
            member=member,
            error=error,
            one=singular(member),
            items=_items(member, form, known, name, errors),
        )
    if member.holds == "part":
        assert member.struct is not None
        return MemberControl(
            name=name,
            control="part",
            member=member,
            error=error,
            given=given,
            fields=fields_of(member.struct, form, known, name, errors),
        )
    typed = form.text(name, _default(member)) if member.holds != "truth" else ""
    if member.holds == "truth":
        return MemberControl(name=name, control="tick", member=member, error=error, given=form.truth(name))
    if member.holds == "texts":
        if not (member.names or member.choices):
            return MemberControl(name=name, control="lines", member=member, error=error, typed=typed, given=given)
        chosen = tuple(text for text in form.texts(name) if text)
        options = _with_strays(chosen, _options(struct, member, known), first=True)
        return MemberControl(name=name, control="boxes", member=member, error=error, chosen=chosen, options=options, given=given)
    if member.holds == "scalar":
        return MemberControl(
            name=name,
            control="scalar",
            member=member,
            error=error,
            typed=typed,
            sort=form.text(f"{name}:sort"),
            options=_SORT_OPTIONS,
        )
    if member.holds in ("whole", "number"):
        return MemberControl(name=name, control="number", member=member, error=error, typed=typed)
    if member.holds == "numbers":
        return MemberControl(name=name, control="numbers", member=member, error=error, typed=typed)
    return _text_shown(struct, member, known=known, name=name, error=error, typed=typed)


_SORT_OPTIONS: Final = tuple(
    Option(sort, title) for sort, title in zip(SORTS, ("Nothing", "Text", "Number", "Yes or no"), strict=True)
)


def _text_shown(struct: type[Struct], member: Member, known: Sources, name: str, error: str, typed: str) -> MemberControl:
    options = _options(struct, member, known)
    if options or member.names:
        if member.choices and len(options) <= _MOST_RADIOS:
            return MemberControl(
                name=name, control="radios", member=member, error=error, typed=typed, chosen=(typed,), options=options
            )
        blank = () if member.choices and typed else (Option("", "Choose" if member.required else "None"),)
        return MemberControl(
            name=name,
            control="select",
            member=member,
            error=error,
            typed=typed,
            options=blank + _with_strays((typed,) if typed else (), options),
        )
    if member.widget == "textarea" or "\n" in typed:
        return MemberControl(name=name, control="textarea", member=member, error=error, typed=typed)
    if member.widget == "code":
        is_odd = bool(typed.strip()) and not _PLAIN_NAME.fullmatch(typed.strip())
        return MemberControl(name=name, control="code", member=member, error=error, typed=typed, remark=_ODD_NAME if is_odd else "")
    return MemberControl(name=name, control="text", member=member, error=error, typed=typed)


def _options(struct: type[Struct], member: Member, known: Sources) -> tuple[Option, ...]:
    if member.choices:
        return tuple(Option(choice, label(choice)) for choice in member.choices)
    return known.get(member.names, ()) if member.names else known.get(f"{struct.__name__}.{member.key}", ())


def _with_strays(chosen: tuple[str, ...], options: tuple[Option, ...], first: bool = False) -> tuple[Option, ...]:
    """The options, and what was chosen though the program does not have it. ``first``: what is chosen stands first."""
    titles = {option.value: option for option in options}
    picked = [titles.get(value) or Option(value, f"{value} (not in the program)") for value in chosen]
    if first:
        return (*picked, *(option for option in options if option.value not in chosen))
    return (*(one for one in picked if one.value not in titles), *options)


def _items(member: Member, form: Form, known: Sources, name: str, errors: Mapping[str, str]) -> tuple[ListItem, ...]:
    assert member.struct is not None
    order = positions(form, name)
    titled = by_name(member.struct)
    found = []
    for at, number in enumerate(order):
        here = f"{name}.{number}"
        title = next((text for key in titled if (text := form.text(under(here, key)).strip())), "")
        fields = fields_of(member.struct, form, known, here, errors)
        found.append(
            ListItem(
                at=here,
                number=number,
                title=title or f"New {singular(member)}",
                error=errors.get(here, ""),
                fields=fields,
                is_first=at == 0,
                is_last=at == len(order) - 1,
            )
        )
    return tuple(found)


def by_name(struct: type[Struct]) -> tuple[str, ...]:
    """The keys of the members that people know a part by, the best first: its label or title, then what identifies it."""
    return tuple(key for key in ("label", "title", identity(struct)) if key in by_key(struct))


def singular(member: Member) -> str:
    """What an item of a list is called in a sentence."""
    word = member.title.lower()
    return word.removesuffix("s")


def _default(member: Member) -> str:
    """What a field shows that nothing was sent for."""
    return member.default if isinstance(member.default, str) else ""


def placed(problems: Iterable[DesignProblem], path: str, form: Form) -> dict[str, str]:
    """The problems of one part of the program by the name of the field in this form that shows each.

    ``path`` is that of the part, such as ``custom_data_types[2]``. What is wrong with a whole item stands under the name of the
    item, what is wrong with the part itself under a blank name.
    """
    found: dict[str, list[str]] = {}
    for problem in problems:
        rest = problem.path.removeprefix(path)
        if problem.path.startswith(path) and (not rest or rest[0] in ".["):
            said = found.setdefault(_field_name(rest, form), [])
            if sentence(problem.text) not in said:
                said.append(sentence(problem.text))
    return {name: " ".join(said) for name, said in found.items()}


def _field_name(rest: str, form: Form) -> str:
    """The name in this form that the end of a path leads to. The number of an item becomes the one it has in the form."""
    name = ""
    for match in _STEP.finditer(rest):
        key, index, _ = match.groups()
        if key is not None:
            name = under(name, key)
            continue
        order = positions(form, name) if index is not None else ()
        if index is None or int(index) >= len(order):
            return name  # a text of a list, or a number of some text, has no field of its own
        name = f"{name}.{order[int(index)]}"
    return name
