"""Reading the parts of a program out of YAML nodes, by their shape, and noting everything that does
not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from msgspec import Struct

from almoner.workshop.checks import MOST_LISTED
from almoner.workshop.design_problem import DesignProblem, instead, nearest, short
from almoner.workshop.question_checks import key as in_mapping
from almoner.workshop.shape import Member, by_key, distinct, members
from almoner.workshop.yaml_source import (
    MOST_VALUES,
    FileProblem,
    ProgramFileError,
    is_number,
    line_of,
    number_of,
    tag_of,
    truth_of,
    word_for,
)


class _Unreadable:
    """Stands for a value that could not be read; what is wrong with it has been noted."""


_UNREADABLE: Final = _Unreadable()
_STAND_INS: Final[Mapping[str, Any]] = {"text": "", "number": 0, "whole": 0}


@dataclass
class PartReader:
    """Reads parts and keeps what it found wrong, and which paths it could not read."""

    problems: list[FileProblem] = field(default_factory=list)
    _values: int = 0
    # Paths of values that could not be read; of parts with such a value in them; of lists with an
    # item whose name is not known.
    _unread: set[str] = field(default_factory=set)
    _torn: set[str] = field(default_factory=set)
    _open_lists: set[str] = field(default_factory=set)

    def part(self, struct: type[Struct], node: yaml.Node, path: str = "") -> Struct:
        """The part of this type at a node. What could not be read has a stand-in or its default."""
        self._count(node)
        nodes = self._members(struct, node, path) if isinstance(node, yaml.MappingNode) else {}
        if not isinstance(node, yaml.MappingNode):
            keys = ", ".join(by_key(struct))
            self._lost(
                node, path, f"a group of keys is expected here ({keys}), not {word_for(node)}"
            )
        values: dict[str, Any] = {}
        for member in members(struct):
            inner = nodes.get(member.key)
            at = _at(path, member.key)
            value = _UNREADABLE if inner is None else self._value(member, inner, at)
            if inner is None and member.required and isinstance(node, yaml.MappingNode):
                self.note(node, path, f"{member.key} is missing")
                self._unread.add(at)
            if value is not _UNREADABLE:
                values[member.attribute] = value
            elif member.required:
                values[member.attribute] = _stand_in(member)
            if at in self._unread or at in self._open_lists:
                self._torn.add(path)
        return struct(**values)

    def note(self, node: yaml.Node, path: str, text: str) -> None:
        self.problems.append(FileProblem(line_of(node), path, text))
        if len(self.problems) >= MOST_LISTED:
            more = FileProblem(
                line_of(node),
                "",
                f"these are the first {MOST_LISTED}; there may be more behind them",
            )
            raise ProgramFileError([*self.problems, more])

    def is_moot(self, problem: DesignProblem) -> bool:
        """Whether a problem may only come from what could not be read."""
        if any(above in self._unread for above in _above(problem.path)):
            return True
        rests_on = (*problem.rests_on, problem.before) if problem.before else problem.rests_on
        return any(self._is_open(path) for path in rests_on)

    def _is_open(self, path: str) -> bool:
        return (
            path in self._torn
            or path in self._open_lists
            or any(above in self._unread for above in _above(path))
        )

    def _count(self, node: yaml.Node) -> None:
        self._values += 1
        if self._values > MOST_VALUES:
            self.note(
                node,
                "",
                f"the program holds more than {MOST_VALUES:,} values, those behind anchors"
                " included",
            )
            raise ProgramFileError(self.problems)

    def _lost(self, node: yaml.Node, path: str, text: str) -> _Unreadable:
        self.note(node, path, text)
        self._unread.add(path)
        return _UNREADABLE

    def _members(
        self, struct: type[Struct], node: yaml.MappingNode, path: str
    ) -> dict[str, yaml.Node]:
        """The nodes of a part by their keys; keys that do not belong there are noted."""
        known = by_key(struct)
        nodes: dict[str, yaml.Node] = {}
        lines: dict[str, int] = {}
        for key_node, value in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None:
                self.note(key_node, path, f"a key must be text, one of {', '.join(known)}")
            elif key in lines:
                self.note(
                    key_node, path, f"{key} is given twice; it is on line {lines[key]} as well"
                )
            elif key in known:
                lines[key] = line_of(key_node)
                nodes[key] = value
            else:
                self.note(key_node, path, f"unknown key {short(key)!r}{instead(key, known)}")
                meant = nearest(key, known)
                if meant is not None:
                    self._unread.add(_at(path, meant))
        return nodes

    def _value(self, member: Member, node: yaml.Node, path: str) -> Any:
        if member.struct is not None and member.holds == "part":
            return self.part(member.struct, node, path)
        if member.struct is not None:
            return tuple(self._parts(member.struct, node, path))
        if member.holds != "texts":
            self._count(node)
        value = _READ[member.holds](self, member, node, path)
        if isinstance(value, str | int | float) and (text := member.problem(value)):
            return self._lost(node, path, text)
        return value

    def _parts(self, struct: type[Struct], node: yaml.Node, path: str) -> Iterator[Struct]:
        names = distinct(struct)
        for number, item in enumerate(self._items(node, path)):
            at = f"{path}[{number}]"
            part = self.part(struct, item, at)
            if at in self._unread or any(f"{at}.{name.key}" in self._unread for name in names):
                self._open_lists.add(path)
            yield part

    def _items(self, node: yaml.Node, path: str) -> list[yaml.Node]:
        self._count(node)
        if isinstance(node, yaml.SequenceNode):
            items: list[yaml.Node] = node.value
            return items
        self._lost(node, path, f"a list is expected, not {word_for(node)}")
        return []

    def texts(self, member: Member, node: yaml.Node, path: str) -> tuple[str, ...] | _Unreadable:
        """A list of text. An item that cannot be read has a stand-in, so that the others keep their
        places.
        """
        texts: list[str] = []
        for number, item in enumerate(self._items(node, path)):
            at = f"{path}[{number}]"
            self._count(item)
            value = self.text(member, item, at)
            if isinstance(value, str) and (text := member.problem(value)):
                value = self._lost(item, at, text)
            if isinstance(value, _Unreadable):
                self._open_lists.add(path)
                value = f"\x00{number}"
            texts.append(value)
        return tuple(texts)

    def text(self, member: Member, node: yaml.Node, path: str) -> str | _Unreadable:
        if isinstance(node, yaml.ScalarNode) and tag_of(node) == "str":
            value: str = node.value
            return value
        quoted = (
            f'; put it in quotes: "{short(node.value)}"'
            if isinstance(node, yaml.ScalarNode) and node.value
            else ""
        )
        return self._lost(node, path, f"text is expected, not {word_for(node)}{quoted}")

    def truth(self, member: Member, node: yaml.Node, path: str) -> bool | _Unreadable:
        value = truth_of(node)
        return (
            self._lost(node, path, f"true or false is expected, not {word_for(node)}")
            if value is None
            else value
        )

    def number(self, member: Member, node: yaml.Node, path: str) -> int | float | _Unreadable:
        value = number_of(node)
        if value is not None:
            return value
        what = (
            "this cannot be read as a number"
            if is_number(node)
            else f"a number is expected, not {word_for(node)}"
        )
        return self._lost(node, path, what)

    def whole(self, member: Member, node: yaml.Node, path: str) -> int | float | _Unreadable:
        value = self.number(member, node, path)
        return (
            self._lost(node, path, "a whole number is expected")
            if isinstance(value, float)
            else value
        )

    def scalar(
        self, member: Member, node: yaml.Node, path: str
    ) -> str | bool | int | float | _Unreadable:
        if tag_of(node) == "bool":
            return self.truth(member, node, path)
        if is_number(node):
            return self.number(member, node, path)
        if tag_of(node) == "str" and isinstance(node, yaml.ScalarNode):
            return self.text(member, node, path)
        return self._lost(
            node, path, f"text, a number, or true or false is expected, not {word_for(node)}"
        )

    def numbers(
        self, member: Member, node: yaml.Node, path: str
    ) -> dict[str, int | float] | _Unreadable:
        """A number for each of some texts."""
        if not isinstance(node, yaml.MappingNode):
            return self._lost(
                node, path, f"a number for each choice is expected, not {word_for(node)}"
            )
        numbers: dict[str, int | float] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            self._count(value_node)
            name = self.text(member, key_node, path)
            if isinstance(name, _Unreadable):
                continue
            if name in lines:
                self.note(
                    key_node,
                    path,
                    f"{short(name)} is given twice; it is on line {lines[name]} as well",
                )
                continue
            lines[name] = line_of(key_node)
            number = self.number(member, value_node, f"{path}{in_mapping(name)}")
            numbers[name] = 0 if isinstance(number, _Unreadable) else number
        return numbers


_READ: Final[Mapping[str, Callable[[PartReader, Member, yaml.Node, str], Any]]] = {
    "text": PartReader.text,
    "texts": PartReader.texts,
    "truth": PartReader.truth,
    "number": PartReader.number,
    "whole": PartReader.whole,
    "scalar": PartReader.scalar,
    "numbers": PartReader.numbers,
}


def _stand_in(member: Member) -> Any:
    """What stands in for a required member that could not be read."""
    if member.struct is None:
        return _STAND_INS[member.holds]
    inner = (each for each in members(member.struct) if each.required)
    return member.struct(**{each.attribute: _stand_in(each) for each in inner})


def _at(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _above(path: str) -> Iterator[str]:
    """The path itself and those of everything that it is in."""
    yield path
    for end in range(len(path) - 1, 0, -1):
        if path[end] in ".[":
            yield path[:end]
