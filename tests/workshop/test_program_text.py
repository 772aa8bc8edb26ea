"""A program written as a file: nothing is lost on the way, and people can read it."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given

from almoner.vocabulary.contact_kinds import is_blank
from almoner.workshop import json_schema, kiwi_health
from almoner.workshop.checks import design_from, problems
from almoner.workshop.design import MessageTemplate, Phase, ProgramDesign
from almoner.workshop.design_words import LONGEST_NAME
from almoner.workshop.program_file import parse
from almoner.workshop.program_text import write
from tests.tries import tries
from tests.workshop.designs import AWKWARD, DESIGNS

ANY_DESIGN = tries(60, suppress_health_check=[HealthCheck.too_slow])
SCHEMA = jsonschema.Draft202012Validator(json_schema.schema())
DEMO = parse(kiwi_health.source())


def refused(source: str) -> list[str]:
    """What the schema says about a file, as an editor does that knows no more than the schema."""
    errors = SCHEMA.iter_errors(yaml.load(source, yaml.CSafeLoader))
    return [error.message for error in errors]


@given(DESIGNS)
@ANY_DESIGN
def test_any_program_is_the_same_after_it_was_written_and_read(design: ProgramDesign) -> None:
    assert problems(design) == []
    text = write(design)
    assert parse(text) == design
    assert write(parse(text)) == text
    assert refused(text) == []


@given(DESIGNS)
@ANY_DESIGN
def test_any_program_is_the_same_after_it_was_in_the_database(design: ProgramDesign) -> None:
    assert design_from(json.loads(msgspec.json.encode(design))) == design


@pytest.mark.parametrize("text", [t for t in AWKWARD if not is_blank(t)])
def test_any_text_is_kept_as_it_is(text: str) -> None:
    name = text[:LONGEST_NAME]
    design = ProgramDesign(
        name=name,
        message_templates=(MessageTemplate(name=name, body=text),),
        phases=(Phase(name=name),),
    )
    assert parse(write(design)) == design


def test_the_demos_program_is_written_in_a_layout_for_people() -> None:
    text = write(DEMO)
    assert parse(text) == DEMO
    assert text.startswith("program: Kiwi Health\n\nphases:\n- name: referred\n  title: Referred\n")
    assert "\n- {name: intake_call, title: Intake call, minutes: 30}\n" in text
    assert "      shown_when: {question: pain_scale, above: 0.3}\n" in text
    assert "\n\n- id: mood_check\n  name: Mood check\n" in text
    assert (
        "  body: |\n    Hello {{patient.first_name}}, this is {{coach.first_name}} from"
        " {{program.name}}.\n" in text
    )
    assert max(map(len, text.splitlines())) < 135


def test_what_has_its_default_is_not_written() -> None:
    assert (
        write(ProgramDesign(name="P", phases=(Phase(name="a"), Phase(name="b", next=()))))
        == "program: P\n\nphases:\n- {name: a}\n- {name: b, next: []}\n"
    )


def test_the_address_of_a_schema_stands_on_the_first_line_for_editors() -> None:
    text = write(DEMO, "program.schema.json")
    assert text.startswith("# yaml-language-server: $schema=program.schema.json\n")
    assert parse(text) == DEMO


def test_the_published_schema_is_one_and_is_that_of_this_program() -> None:
    published = json.loads(
        (Path(__file__).parents[2] / "docs/reference" / json_schema.FILE_NAME).read_text(
            encoding="utf-8"
        )
    )
    jsonschema.Draft202012Validator.check_schema(published)
    assert published == json.loads(json_schema.text())
    assert all(part["additionalProperties"] is False for part in published["$defs"].values())
    described = [
        member for part in published["$defs"].values() for member in part["properties"].values()
    ]
    assert all(member["title"] for member in described)


def test_the_schema_accepts_the_demos_program() -> None:
    assert refused(kiwi_health.source()) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("program: Kiwi Health", "programme: Kiwi Health"),
        ("next: [intake, withdrawn]", "nxt: [intake, withdrawn]"),
        ("next: [intake, withdrawn]", "next: [intake, intake]"),
        ("next: [intake, withdrawn]", "next: intake"),
        ("next: []", "next: ~"),
        ("minutes: 30", "minutes: 0"),
        ("minutes: 30", "minutes: '30'"),
        ("modalities: [visit]", "modalities: [letter]"),
        ("kind: scale, label", "kind: scala, label"),
        ("above: 0.3", "over: 0.3"),
        ("{question: pain_scale, above: 0.3}", "{question: pain_scale, above: 0.3, below: 1}"),
        ("{question: pain_scale, above: 0.3}", "{question: pain_scale}"),
        ("required: true", "required: maybe"),
        ("audience: coach_and_patient", "audience: everybody"),
        ("never: 0", "never: none"),
        ("name: nurse", "name: ' '"),
    ],
)
def test_the_schema_refuses_what_is_misspelt_or_of_the_wrong_type(right: str, wrong: str) -> None:
    source = kiwi_health.source()
    assert right in source
    assert refused(source.replace(right, wrong, 1))
