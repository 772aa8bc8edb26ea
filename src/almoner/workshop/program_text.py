"""Writing a program as the file that ``program_file`` reads: stable, and laid out for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import yaml
from msgspec import Struct
from yaml.representer import SafeRepresenter

from almoner.workshop.design import ProgramDesign
from almoner.workshop.shape import Member, members

_TAG: Final = "tag:yaml.org,2002:"
# Lines end before this column where a text allows it; a group of keys stands on one line where it
# is no longer than that.
_WIDTH: Final = 120
_LONGEST_INLINE: Final = 110
_SINGLE_SPACED: Final = re.compile(r"[^\s]+(?: [^\s]+)*")
# A text of several lines that a block can hold as it is: it neither begins nor ends a line with a
# blank.
_BLOCK: Final = re.compile(r"[^\s](?:[^\n]*[^\s])?(?:\n+[^\s](?:[^\n]*[^\s])?)*\n?")


def write(design: ProgramDesign, schema: str = "") -> str:
    """The program as YAML; reading it gives the same program again. What has its default is left
    out.

    ``schema`` is the address of the file's JSON Schema, for editors that complete by it; none is
    named where it is blank."""
    parts = [f"# yaml-language-server: $schema={schema}\n"] if schema else []
    for key_node, value_node in _part(design, 0).value:
        mapping = yaml.MappingNode(f"{_TAG}map", [(key_node, value_node)], flow_style=False)
        text: str = yaml.serialize(
            mapping, Dumper=yaml.CSafeDumper, allow_unicode=True, width=_WIDTH
        )
        if isinstance(value_node, yaml.SequenceNode) and not all(map(_is_inline, value_node.value)):
            first, _, rest = text.partition("\n")
            text = first + "\n" + rest.replace("\n- ", "\n\n- ")
        parts.append(text)
    return "\n".join(parts)


def _part(part: Struct, depth: int) -> yaml.MappingNode:
    pairs = []
    for member in members(type(part)):
        value = getattr(part, member.attribute)
        if member.required or value != member.default:
            pairs.append((_text(member.key), _WRITE[member.holds](member, value, depth + 1)))
    return _mapping(pairs, depth)


def _mapping(pairs: list[tuple[yaml.ScalarNode, yaml.Node]], depth: int) -> yaml.MappingNode:
    """A group of keys, on one line where it is short. The program itself never is."""
    node = yaml.MappingNode(f"{_TAG}map", pairs, flow_style=True)
    node.flow_style = depth > 0 and _length(node) + 2 * depth <= _LONGEST_INLINE
    return node


def _list(items: list[yaml.Node], depth: int) -> yaml.SequenceNode:
    node = yaml.SequenceNode(f"{_TAG}seq", items, flow_style=True)
    node.flow_style = (
        all(isinstance(i, yaml.ScalarNode) for i in items)
        and _length(node) + 2 * depth <= _LONGEST_INLINE
    )
    return node


def _length(node: yaml.Node) -> int:
    """About how long the node is on one line; endless where it takes several."""
    if isinstance(node, yaml.ScalarNode):
        return 10 * _WIDTH if node.style in ("|", ">") else len(node.value) + 2
    if not _is_inline(node):
        return 10 * _WIDTH
    inner = (
        [n for pair in node.value for n in pair]
        if isinstance(node, yaml.MappingNode)
        else node.value
    )
    return 2 + sum(map(_length, inner))


def _is_inline(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and bool(node.flow_style)


def _text(value: str) -> yaml.ScalarNode:
    """Text, in the layout that reads best of those that keep it as it is."""
    style = None
    if "\n" in value:
        style = "|" if _BLOCK.fullmatch(value) else '"'
    elif len(value) > _LONGEST_INLINE and _SINGLE_SPACED.fullmatch(value):
        style = ">"
    return yaml.ScalarNode(f"{_TAG}str", value, style=style)


def _scalar(value: str | float) -> yaml.ScalarNode:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return yaml.ScalarNode(f"{_TAG}bool", "true" if value else "false")
    if isinstance(value, int):
        return yaml.ScalarNode(f"{_TAG}int", str(value))
    node: yaml.ScalarNode = SafeRepresenter().represent_float(value)
    return node


def _single(member: Member, value: Any, depth: int) -> yaml.Node:
    return _scalar(value)


def _texts(member: Member, value: Any, depth: int) -> yaml.Node:
    return _list([_text(item) for item in value], depth)


def _numbers(member: Member, value: Any, depth: int) -> yaml.Node:
    return _mapping([(_text(name), _scalar(number)) for name, number in value.items()], depth)


def _single_part(member: Member, value: Any, depth: int) -> yaml.Node:
    return _part(value, depth)


def _many(member: Member, value: Any, depth: int) -> yaml.Node:
    return _list([_part(item, depth + 1) for item in value], depth)


_WRITE: Final[Mapping[str, Callable[[Member, Any, int], yaml.Node]]] = {
    **dict.fromkeys(("text", "truth", "whole", "number", "scalar"), _single),
    "texts": _texts,
    "numbers": _numbers,
    "part": _single_part,
    "parts": _many,
}
