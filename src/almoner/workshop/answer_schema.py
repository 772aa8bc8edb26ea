"""The JSON Schema of answers whose follow-ups depend on each other: it accepts what
``questions.Answers`` accepts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from almoner.vocabulary.kinds import Schema
from almoner.workshop.assessment_design import Condition


class Depending(Protocol):
    """A question that is asked only where the answer to another passes the test."""

    @property
    def name(self) -> str: ...

    @property
    def required(self) -> bool: ...

    @property
    def condition(self) -> Condition: ...


def with_follow_ups(
    schema: Schema, follow_ups: Iterable[Depending], known: Iterable[str], name: str
) -> Schema:
    """The schema, with a rule for each follow-up: asked or not, and required where it is asked.

    ``known`` are the questions that are always asked; ``name`` is a URN, so that references keep to
    this schema where it stands within a larger document. When a question is asked is said once
    each, so that a long chain makes no longer rules."""
    asked: dict[str, Schema] = {}
    rules: list[Schema] = []
    always = set(known)
    for item in follow_ups:
        decides = item.condition.question
        if decides in always or decides in asked:
            passes: Schema = {
                "properties": {decides: _passing(item.condition)},
                "required": [decides],
            }
            asked[item.name] = (
                {"allOf": [{"$ref": _place(decides)}, passes]} if decides in asked else passes
            )
        else:
            asked[item.name] = {"not": {}}  # it waits for a question that there is not
        rule: Schema = {
            "if": {"$ref": _place(item.name)},
            "else": {"properties": {item.name: {"type": "null"}}},
        }
        if item.required:
            rule["then"] = {
                "properties": {item.name: {"not": {"type": "null"}}},
                "required": [item.name],
            }
        rules.append(rule)
    return {
        "$id": name,
        **schema,
        "allOf": rules,
        "$defs": {f"asked.{question}": when for question, when in asked.items()},
    }


def _place(question: str) -> str:
    return f"#/$defs/asked.{question}"


def _passing(condition: Condition) -> Schema:
    """What an answer that passes the test looks like."""
    if condition.equals is not None:
        return {"const": condition.equals}
    if condition.one_of:
        return {"enum": list(condition.one_of)}
    if condition.includes:
        return {"type": "array", "contains": {"enum": list(condition.includes)}}
    limits = {
        "exclusiveMinimum": condition.above,
        "exclusiveMaximum": condition.below,
        "minimum": condition.at_least,
        "maximum": condition.at_most,
    }
    for keyword, limit in limits.items():
        if limit is not None:
            return {"type": "number", keyword: limit}
    return {"not": {"type": "null"}}
