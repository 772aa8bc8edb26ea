"""YAML with its line numbers: from the text of a file to a tree of nodes, and from there to single
values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import yaml
from yaml.constructor import ConstructorError, SafeConstructor

LONGEST_SOURCE: Final = 4 * 1024 * 1024
DEEPEST: Final = 20
# YAML's anchors let a small file stand for a huge one; no program needs more values than this.
MOST_VALUES: Final = 500_000
# A number of more characters is no 64-bit one, and reading it takes long: 1:1:1:... is a number to
# YAML.
_LONGEST_NUMBER: Final = 100
_TAG: Final = "tag:yaml.org,2002:"
_WORDS: Final = {
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
    "timestamp": "a date",
    "map": "a group of keys",
    "seq": "a list",
}
_CONSTRUCTOR: Final = SafeConstructor()
_NUMBERS: Final = {
    "int": _CONSTRUCTOR.construct_yaml_int,
    "float": _CONSTRUCTOR.construct_yaml_float,
}
_STEP: Final = re.compile(
    r'(?P<key>[a-z_]+)|\[(?P<item>[0-9]+)\]|\["(?P<quoted>(?:[^"\\]|\\.)*)"\]', re.DOTALL
)


@dataclass(frozen=True, order=True)
class FileProblem:
    """One thing that is wrong: the line it is on (from 1), where in the program that is, and what
    to do in words.
    """

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


def line_of(node: yaml.Node | yaml.Event) -> int:
    """The line where it begins, counted from 1."""
    mark = node.start_mark
    return 1 if mark is None else mark.line + 1


def root_of(source: str) -> yaml.Node:
    """The top of a YAML document. Raises ProgramFileError where there is none, or where it is not
    YAML.
    """
    try:
        _refuse_excess(source)
        root = yaml.compose(source, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise ProgramFileError([_syntax_problem(source, error)]) from None
    except UnicodeEncodeError as error:
        line = source.count("\n", 0, error.start) + 1
        raise ProgramFileError(
            [FileProblem(line, "", "half of a surrogate pair is not a character")]
        ) from None
    if root is None:
        raise ProgramFileError(
            [FileProblem(1, "", "the file is empty; begin with `program: <name>`")]
        )
    return root


def _refuse_excess(source: str) -> None:
    """Refuses what is too long or too deep before a tree is made of it: that tree is made by
    recursion in C.
    """
    if len(source) > LONGEST_SOURCE:
        raise ProgramFileError(
            [FileProblem(1, "", f"the file is longer than {LONGEST_SOURCE:,} characters")]
        )
    depth = 0
    for event in yaml.parse(source, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise ProgramFileError(
                [FileProblem(line_of(event), "", f"nested deeper than {DEEPEST} levels")]
            )


def _syntax_problem(source: str, error: yaml.YAMLError) -> FileProblem:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return FileProblem(error.problem_mark.line + 1, "", f"this is not YAML: {error.problem}")
    if isinstance(error, yaml.reader.ReaderError):
        # The position counts the bytes of the UTF-8 that libyaml reads.
        before = source.encode()[: error.position]
        return FileProblem(
            before.count(b"\n") + 1, "", f"a character that YAML does not allow: {error.reason}"
        )
    return FileProblem(1, "", "this is not YAML")


def tag_of(node: yaml.Node) -> str:
    """The node's type in short, such as ``str`` or ``map``; another tag as it is."""
    tag: str = node.tag
    return tag.removeprefix(_TAG)


def word_for(node: yaml.Node) -> str:
    """What the node is, as it stands in a sentence."""
    return _WORDS.get(tag_of(node), f"a value of the type {tag_of(node)}")


def is_number(node: yaml.Node) -> bool:
    return tag_of(node) in _NUMBERS


def number_of(node: yaml.Node) -> int | float | None:
    """The number that the node holds; None where it holds none that can be read."""
    make = _NUMBERS.get(tag_of(node))
    if make is None or not isinstance(node, yaml.ScalarNode) or len(node.value) > _LONGEST_NUMBER:
        return None
    try:
        value: int | float = make(node)
    except (ValueError, IndexError, OverflowError, ConstructorError):
        return None
    return value


def truth_of(node: yaml.Node) -> bool | None:
    """True or false; None where the node holds neither."""
    if tag_of(node) == "bool" and isinstance(node, yaml.ScalarNode):
        return SafeConstructor.bool_values.get(node.value.lower())
    return None


def located(root: yaml.Node, path: str) -> yaml.Node:
    """The node at a path such as ``phases[0].name``, or the innermost one around it that is
    there.
    """
    node = root
    for step in _STEP.finditer(path):
        inner = _inner(node, step)
        if inner is None:
            break
        node = inner
    return node


def _inner(node: yaml.Node, step: re.Match[str]) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and step["item"] is not None:
        number = int(step["item"])
        return node.value[number] if number < len(node.value) else None
    if isinstance(node, yaml.MappingNode) and step["item"] is None:
        key = (
            step["key"]
            if step["quoted"] is None
            else re.sub(r"\\(.)", r"\1", step["quoted"], flags=re.DOTALL)
        )
        return next(
            (
                value
                for name, value in node.value
                if isinstance(name, yaml.ScalarNode) and name.value == key
            ),
            None,
        )
    return None
