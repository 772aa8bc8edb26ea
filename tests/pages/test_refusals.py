"""What pages say of values that are refused: to whoever typed them, not to a program."""

from __future__ import annotations

import re
from collections.abc import Iterable

from almoner.data_api.refusals import changed_since
from almoner.errors import Problem, parse_problem, problem
from almoner.pages import notation
from almoner.pages.forms.refusals import refusal
from almoner.pages.notation import Notation
from almoner.resources import RESOURCES
from almoner.vocabulary.fields import ListOf, Object, missing_field
from almoner.vocabulary.kinds import Kind
from almoner.workshop import kiwi_health
from almoner.workshop.field_kinds import kind_of
from almoner.workshop.program_file import parse

# What only somebody who writes programs knows, and days as programs write them.
FOR_PROGRAMS = re.compile(
    r"expected|IANA|ISO|JSON|GUID|USPS|NUL\b|null|string|boolean|parse|true or"
    r" false|\d{4}-\d\d-\d\d"
)


def fields() -> Iterable[tuple[str, Kind]]:
    """Every field that somebody may type a value into, with its kind."""
    for resource in RESOURCES:
        for field in resource.fields:
            if isinstance(field.kind, Object | ListOf):
                continue
            yield f"{resource.name}.{field.name}", field.kind
    for assessment in parse(kiwi_health.source()).assessments:
        yield from (
            (f"{assessment.name}.{question.name}", kind_of(question))
            for question in assessment.questions
        )


def refused(kind: Kind) -> list[Problem]:
    problems: list[Problem] = []
    kind.decode(object(), ".field", problems)
    return problems


def test_no_page_says_of_a_field_what_is_meant_for_programs() -> None:
    refusals = {name: [refusal(problem) for problem in refused(kind)] for name, kind in fields()}
    assert len(refusals) > 80
    assert {
        name: texts for name, texts in refusals.items() if any(map(FOR_PROGRAMS.search, texts))
    } == {}


def test_a_day_and_a_moment_are_asked_for_in_the_reader_s_notation() -> None:
    moment = parse_problem(
        "isodatetime", ".send_time", "a date and time such as 2018-09-15T15:20:01+00:00 is expected"
    )
    claims = {}
    for hours in (24, 12):
        notation.read_in(Notation(hours))
        claims[hours] = refusal(moment)
    notation.read_in(Notation())
    assert claims == {
        24: "Give a day and time such as 24 Nov 2026 14:30.",
        12: "Give a day and time such as 24 Nov 2026 2:30 pm.",
    }


def test_what_has_no_words_of_its_own_says_what_is_wrong() -> None:
    cases = [
        (
            parse_problem("url", ".notify_url", "it must begin with https://"),
            "It must begin with https://.",
        ),
        (
            parse_problem("integer", ".model.pain", "a whole number from 0 to 10 is expected"),
            "Give a whole number from 0 to 10.",
        ),
        (missing_field(".first_name"), "Fill this in."),
        (
            changed_since().problems[0],
            (
                "Somebody else has just changed this. Load the page again, and look before you"
                " change it."
            ),
        ),
        (
            problem("resource_not_found", "There is no such environment.").problems[0],
            "There is no such environment.",
        ),
        (
            Problem("bad_request", "The end is before the start.", {"path": ".end_time"}),
            "The end is before the start.",
        ),
    ]
    assert [refusal(problem) for problem, _ in cases] == [sentence for _, sentence in cases]
