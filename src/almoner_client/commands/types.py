"""``almoner-client types``: classes for what the environment's program asks."""

from __future__ import annotations

import argparse
import keyword
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from almoner_client.commands.options import Commands, add_connection, client, command

_EXAMPLES = """\
  almoner-client types > program_types.py

A class for the model of each assessment (MoodCheckModel) and the body of each data type
(LabResultBody), for type checkers: annotate with it what you read and write.
"""
_PLAIN: Final = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
    "object": "dict[str, Any]",
}


def add_to(commands: Commands) -> None:
    """Adds the command."""
    parser = command(
        commands, "types", "Write classes for the program's assessments and data types.", _EXAMPLES
    )
    add_connection(parser)
    parser.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Prints a module of Python."""
    with client(asked) as caller:
        print("\n\n\n".join(module(caller.program())))
    return 0


def module(program: Mapping[str, Any]) -> Iterator[str]:
    """The parts of the module: its head, then a class for each assessment and data type."""
    about = f"What version {program['version']} of the program asks, by almoner-client types."
    yield f'"""{about}"""\n\nfrom typing import Any, Literal, NotRequired, TypedDict'
    for group, identity, ending in (
        ("assessments", "id", "Model"),
        ("custom_data_types", "name", "Body"),
    ):
        for element in program.get(group, ()):
            name = f"{_camel(element[identity])}{ending}"
            yield _class(name, element[identity], element["version"], element["schema"])


def _class(name: str, identity: str, version: int, schema: Mapping[str, Any]) -> str:
    required = set(schema.get("required", ()))
    members = {
        key: kind if key in required else f"NotRequired[{kind}]"
        for key, property_ in schema.get("properties", {}).items()
        for kind in [_annotation(property_)]
    }
    about = f"``{identity}``, version {version}."
    if all(key.isidentifier() and not keyword.iskeyword(key) for key in members):
        lines = [f"    {key}: {kind}" for key, kind in members.items()]
        return "\n".join([f"class {name}(TypedDict):", f'    """{about}"""', "", *lines]).rstrip()
    fields = ", ".join(f'{key!r}: "{kind}"' for key, kind in members.items())
    return f"# {about}\n{name} = TypedDict({name!r}, {{{fields}}})"


def _annotation(schema: Mapping[str, Any]) -> str:
    values = schema.get("enum")
    if values and all(isinstance(value, str | None) for value in values):
        listed = ", ".join(repr(value) for value in values)
        return f"Literal[{listed}]"
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    names = [
        f"list[{_annotation(schema.get('items', {}))}]" if kind == "array" else _PLAIN[kind]
        for kind in kinds
    ]
    return " | ".join(names) or "Any"


def _camel(name: str) -> str:
    words = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name))
    return words if words[:1].isalpha() else f"_{words}"
