"""Reading YAML with its line numbers, and noting everything that is wrong with it rather than the first thing.

A ``Section`` is one mapping of the file. Its methods return the value of a key or, where that does not fit, note the
problem and return a stand-in, so that the reading goes on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

import yaml
from yaml.constructor import ConstructorError, SafeConstructor

LONGEST_SOURCE: Final = 4 * 1024 * 1024
DEEPEST: Final = 20
# YAML's anchors let a small file stand for a huge one; no program needs more values than this.
MOST_VALUES: Final = 500_000
_TAG = "tag:yaml.org,2002:"
_WORDS = {
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
    "timestamp": "a date",
    "map": "a group of keys",
    "seq": "a list",
}
_CONSTRUCTOR = SafeConstructor()
_NUMBERS = {"int": _CONSTRUCTOR.construct_yaml_int, "float": _CONSTRUCTOR.construct_yaml_float}


@dataclass(frozen=True, order=True)
class FileProblem:
    """One thing that is wrong: the line it is on (from 1), where in the program that is, and what to do in words."""

    line: int
    path: str
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.path + ': ' if self.path else ''}{self.text}"


class ProgramFileError(Exception):
    """A program file that cannot be used, with all its problems in the order of their lines."""

    def __init__(self, problems: list[FileProblem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


@dataclass
class Notes:
    """The problems found so far, and how many values have been looked at."""

    problems: list[FileProblem] = field(default_factory=list)
    values: int = 0

    def add(self, node: yaml.Node, path: str, text: str) -> None:
        self.problems.append(FileProblem(line_of(node), path, text))

    def count(self, node: yaml.Node) -> None:
        """Raises ProgramFileError when the file holds too many values."""
        self.values += 1
        if self.values > MOST_VALUES:
            self.add(node, "", f"the program holds more than {MOST_VALUES:,} values, those behind anchors included")
            raise ProgramFileError(self.problems)


def line_of(node: yaml.Node | yaml.Event) -> int:
    """The line where it begins, counted from 1."""
    mark = node.start_mark
    return 1 if mark is None else mark.line + 1


def root_of(source: str) -> yaml.Node:
    """The top of a YAML document. Raises ProgramFileError where there is none, or where it is not YAML."""
    try:
        _refuse_excess(source)
        root = yaml.compose(source, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise ProgramFileError([_syntax_problem(source, error)]) from None
    except UnicodeEncodeError as error:
        line = source.count("\n", 0, error.start) + 1
        raise ProgramFileError([FileProblem(line, "", "half of a surrogate pair is not a character")]) from None
    if root is None:
        raise ProgramFileError([FileProblem(1, "", "the file is empty; begin with `program: <name>`")])
    return root


def _refuse_excess(source: str) -> None:
    """Refuses what is too long or too deep before a tree is made of it: that tree is made by recursion in C."""
    if len(source) > LONGEST_SOURCE:
        raise ProgramFileError([FileProblem(1, "", f"the file is longer than {LONGEST_SOURCE:,} characters")])
    depth = 0
    for event in yaml.parse(source, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise ProgramFileError([FileProblem(line_of(event), "", f"nested deeper than {DEEPEST} levels")])


def _syntax_problem(source: str, error: yaml.YAMLError) -> FileProblem:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return FileProblem(error.problem_mark.line + 1, "", f"this is not YAML: {error.problem}")
    if isinstance(error, yaml.reader.ReaderError):
        # The position counts the bytes of the UTF-8 that libyaml reads.
        before = source.encode()[: error.position]
        return FileProblem(before.count(b"\n") + 1, "", f"a character that YAML does not allow: {error.reason}")
    return FileProblem(1, "", "this is not YAML")


class Section:
    """One mapping of the file, with the keys that it may have. Opening it notes the unknown and the repeated ones."""

    def __init__(self, notes: Notes, node: yaml.Node, path: str, keys: tuple[str, ...]) -> None:
        self.node = node
        self.path = path
        self._notes = notes
        self._nodes: dict[str, yaml.Node] = {}
        notes.count(node)
        if not isinstance(node, yaml.MappingNode):
            notes.add(node, path, f"a group of keys is expected here ({', '.join(keys)}), not {_word(node)}")
            return
        lines: dict[str, int] = {}
        for key_node, value in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key not in keys:
                notes.add(key_node, path, _unknown_key(key, keys))
            elif key in lines:
                notes.add(key_node, path, f"{key} is given twice; it is on line {lines[key]} as well")
            else:
                lines[key] = line_of(key_node)
                self._nodes[key] = value

    def __contains__(self, key: str) -> bool:
        return key in self._nodes

    def note(self, key: str | None, text: str) -> None:
        """Notes a problem of this key, or of the section as a whole."""
        self._notes.add(self._nodes.get(key or "", self.node), self._at(key) if key else self.path, text)

    def line(self, key: str) -> int:
        return line_of(self._nodes.get(key, self.node))

    def text(self, key: str, *, required: bool = False) -> str:
        """Text, which must not be blank where it is required."""
        node = self._nodes.get(key)
        if node is None:
            if required and isinstance(self.node, yaml.MappingNode):
                self.note(None, f"{key} is missing")
            return ""
        value = self._text(node, self._at(key))
        if required and value is not None and not value.strip():
            self.note(key, "this must not be blank")
        return value or ""

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of text, each at most once."""
        seen: dict[str, int] = {}
        for node, path in self._items(key):
            value = self._text(node, path)
            if value is None:
                continue
            if value in seen:
                self._notes.add(node, path, f"{value} is listed twice; it is on line {seen[value]} as well")
            elif not value.strip():
                self._notes.add(node, path, "this must not be blank")
            seen.setdefault(value, line_of(node))
        return tuple(seen)

    def truth(self, key: str) -> bool:
        """True or false; false where it is not given."""
        node = self._nodes.get(key)
        if node is None:
            return False
        if _tag(node) == "bool" and isinstance(node, yaml.ScalarNode):
            return SafeConstructor.bool_values.get(node.value.lower(), False)
        self.note(key, f"true or false is expected, not {_word(node)}")
        return False

    def number(self, key: str, *, whole: bool = False) -> int | float | None:
        """A number, a whole one of 64 bits where ``whole``; None where it is not given."""
        node = self._nodes.get(key)
        if node is None:
            return None
        value = _number(node)
        if value is None and _tag(node) in _NUMBERS:
            self.note(key, "this cannot be read as a number")
        elif value is None:
            self.note(key, f"a number is expected, not {_word(node)}")
        elif not math.isfinite(value):
            self.note(key, "a number is expected, not an endless one")
        elif whole and not (isinstance(value, int) and -(2**63) <= value < 2**63):
            self.note(key, "a whole number is expected")
        else:
            return value
        return None

    def sections(self, key: str, keys: tuple[str, ...]) -> list[Section]:
        """A list of mappings; empty where it is not given."""
        return [Section(self._notes, node, path, keys) for node, path in self._items(key)]

    def _items(self, key: str) -> Iterator[tuple[yaml.Node, str]]:
        node = self._nodes.get(key)
        if node is None:
            return
        if not isinstance(node, yaml.SequenceNode):
            self.note(key, f"a list is expected, not {_word(node)}")
            return
        for number, item in enumerate(node.value):
            yield item, f"{self._at(key)}[{number}]"

    def _text(self, node: yaml.Node, path: str) -> str | None:
        self._notes.count(node)
        if not isinstance(node, yaml.ScalarNode) or _tag(node) != "str":
            quoted = f'; put it in quotes: "{node.value}"' if isinstance(node, yaml.ScalarNode) and node.value else ""
            self._notes.add(node, path, f"text is expected, not {_word(node)}{quoted}")
            return None
        value: str = node.value
        if "\x00" in value:
            self._notes.add(node, path, "text cannot hold the character NUL")
            return None
        return value

    def _at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key


def _tag(node: yaml.Node) -> str:
    tag: str = node.tag
    return tag.removeprefix(_TAG)


def _word(node: yaml.Node) -> str:
    return _WORDS.get(_tag(node), f"a value of the type {_tag(node)}")


def _number(node: yaml.Node) -> int | float | None:
    make = _NUMBERS.get(_tag(node))
    if make is None or not isinstance(node, yaml.ScalarNode):
        return None
    try:
        value: int | float = make(node)
    except (ValueError, IndexError, OverflowError, ConstructorError):
        return None
    return value


def _unknown_key(key: str | None, keys: tuple[str, ...]) -> str:
    if key is None:
        return f"a key must be text, one of {', '.join(keys)}"
    near = get_close_matches(key, keys, n=1)
    shown = key if len(key) <= 80 else f"{key[:80]}..."
    return f"unknown key {shown!r}; " + (f"did you mean {near[0]}?" if near else f"known here: {', '.join(keys)}")
