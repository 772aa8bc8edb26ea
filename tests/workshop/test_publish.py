"""Publishing: numbered versions that never change, and what the API then checks against."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from almoner.data_api import decode
from almoner.data_api.declare import Row, Verb
from almoner.database import Database
from almoner.resources import RESOURCES
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.fields import Shape
from almoner.vocabulary.kinds import Problems
from almoner.workshop.design import Phase, ProgramDesign
from almoner.workshop.program_file import ProgramFileError, parse
from almoner.workshop.programs import PublishedPrograms
from almoner.workshop.publish import Overtaken, Published, UnfitDesign, publish
from almoner.workshop.published_programs import design_of, load

CONTRACT: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "contract" / "contract.json").read_text(encoding="utf-8")
)
FIRST = """\
program: First
phases: [{name: intake}, {name: done}]
assessments:
- {id: a, name: A, sections: [{questions: [{name: x, kind: text}]}]}
- {id: b, name: B, sections: [{questions: [{name: x, kind: text}]}]}
custom_data_types:
- {name: t, fields: [{name: x, kind: text}]}
"""
A_CHANGED = FIRST.replace(
    "{id: a, name: A, sections: [{questions: [{name: x, kind: text}",
    "{id: a, name: A, sections: [{questions: [{name: x, kind: date}",
)


async def published(database: Database, environment: int, source: str) -> Published:
    async with database.connection() as connection:
        return await publish(connection, environment, source, "test")


async def loaded(database: Database, environment: int) -> Program:
    async with database.connection() as connection:
        return await load(connection, environment)


async def test_an_environment_without_a_program_defines_nothing(
    database: Database, environment: int
) -> None:
    assert await loaded(database, environment) == Program()


async def test_the_first_publish_is_version_1_of_everything(
    database: Database, environment: int
) -> None:
    first = await published(database, environment, FIRST)
    assert (first.version, first.is_new) == (1, True)
    assert [str(c) for c in first.changes] == [
        "Phase intake: added",
        "Phase done: added",
        "Assessment A: added",
        "Assessment B: added",
        "Custom data type t: added",
    ]
    program = await loaded(database, environment)
    assert (program.version, list(program.phases)) == (1, ["intake", "done"])
    assert {spec.id: spec.version for spec in program.newest_specs.values()} == {"a": 1, "b": 1}
    assert [t.version for t in program.custom_data_types.values()] == [1]


async def test_publishing_the_same_file_again_makes_no_version_and_says_so(
    database: Database, environment: int
) -> None:
    await published(database, environment, FIRST)
    again = await published(database, environment, FIRST)
    assert (again.version, again.is_new, again.changes) == (1, False, ())
    assert again.summary == "This is version 1 already; nothing was published."
    async with database.connection() as connection:
        assert (
            await connection.fetchval(
                "SELECT count(*) FROM programs WHERE environment_id = $1", environment
            )
            == 1
        )


async def test_only_an_element_that_changed_gets_a_new_version(
    database: Database, environment: int
) -> None:
    await published(database, environment, FIRST)
    second = await published(database, environment, A_CHANGED)
    assert (second.version, second.summary) == (2, "question x changed in A")
    program = await loaded(database, environment)
    assert {spec.id: spec.version for spec in program.newest_specs.values()} == {"a": 2, "b": 1}
    assert set(program.specs) == {("a", 1), ("a", 2), ("b", 1)}


async def test_a_file_that_differs_in_comments_alone_keeps_every_element(
    database: Database, environment: int
) -> None:
    await published(database, environment, FIRST)
    second = await published(database, environment, f"# a comment\n{FIRST}")
    assert (second.version, second.changes, second.summary) == (
        2,
        (),
        "only comments or layout changed",
    )
    assert set((await loaded(database, environment)).specs) == {("a", 1), ("b", 1)}


async def test_what_is_removed_is_refused_and_goes_on_counting_when_it_comes_back(
    database: Database, environment: int
) -> None:
    await published(database, environment, FIRST)
    without = await published(
        database, environment, "program: Second\nphases: [{name: intake, title: Start}]\n"
    )
    assert [str(c) for c in without.changes] == [
        "Program: First became Second",
        "Phase intake, title: nothing became Start",
        "Phase done: removed",
        "Assessment A: removed",
        "Assessment B: removed",
        "Custom data type t: removed",
    ]
    program = await loaded(database, environment)
    assert (program.newest_specs, program.custom_data_types) == ({}, {})
    assert ("a", 1) in program.specs
    await published(database, environment, A_CHANGED)
    newest = (await loaded(database, environment)).newest_specs
    assert {spec.id: spec.version for spec in newest.values()} == {"a": 2, "b": 1}


async def test_a_file_with_problems_publishes_nothing(database: Database, environment: int) -> None:
    with pytest.raises(ProgramFileError):
        await published(database, environment, f"{FIRST}surveys: []\n")
    assert await loaded(database, environment) == Program()


async def test_who_published_when_and_what_they_said_of_it_is_kept(
    connection: Any, environment: int
) -> None:
    await publish(connection, environment, FIRST, "Ada", message="The first one")
    row = await connection.fetchrow("SELECT * FROM programs WHERE environment_id = $1", environment)
    assert (row["published_by"], row["message"], row["source"]) == ("Ada", "The first one", FIRST)
    assert (
        row["summary"]
        == "phases intake and done added; assessments A and B added; custom data type t added"
    )
    assert row["published_at"] is not None


async def test_a_design_is_published_as_the_file_that_holds_it(
    connection: Any, environment: int
) -> None:
    design = parse(FIRST)
    first = await publish(connection, environment, design, "test")
    assert (first.version, first.is_new) == (1, True)
    assert (
        parse(
            await connection.fetchval(
                "SELECT source FROM programs WHERE environment_id = $1", environment
            )
        )
        == design
    )
    assert await design_of(connection, environment, 1) == design
    commented = await publish(connection, environment, f"# a comment\n{FIRST}", "test")
    assert (commented.version, commented.is_new) == (2, True)
    again = await publish(connection, environment, design, "test")
    assert (again.version, again.is_new) == (2, False)


async def test_a_design_with_problems_is_refused_with_all_of_them(
    connection: Any, environment: int
) -> None:
    phase = Phase(name="a", next=("nowhere",))
    with pytest.raises(UnfitDesign) as raised:
        await publish(
            connection, environment, ProgramDesign(name="P", phases=(phase, phase)), "test"
        )
    assert {p.path for p in raised.value.problems} == {
        "phases[0].next[0]",
        "phases[1].next[0]",
        "phases[1].name",
    }
    assert await load(connection, environment) == Program()


async def test_ten_publishes_at_once_make_ten_versions_without_a_gap(
    database: Database, environment: int
) -> None:
    sources = [f"{FIRST}# {n}\n" for n in range(10)]
    answers = await asyncio.gather(
        *(published(database, environment, source) for source in sources)
    )
    assert sorted(p.version for p in answers) == list(range(1, 11))


@pytest.mark.parametrize("table", ["programs", "program_elements"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET version = 9 WHERE environment_id = $1",
        "DELETE FROM {} WHERE environment_id = $1",
    ],
)
async def test_a_published_version_cannot_be_changed_or_removed(
    database: Database, environment: int, table: str, statement: str
) -> None:
    await published(database, environment, FIRST)
    async with database.connection() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="never changed or removed"):
            await connection.execute(statement.format(table), environment)


async def test_one_environment_sees_nothing_of_another_ones_program(
    database: Database, environment: int, program: int
) -> None:
    assert program == environment  # both fixtures are of this test's one environment
    async with database.connection() as connection:
        other = await connection.fetchval(
            "INSERT INTO environments (name) VALUES ($1) RETURNING id", f"other-{environment}"
        )
    assert await loaded(database, other) == Program()
    assert (await published(database, other, FIRST)).version == 1
    assert "a" not in (await loaded(database, environment)).newest_specs


CHECKED = (
    "patients",
    "calendar_events",
    "assessment_responses",
    "custom_data_type_records",
    "patient_tasks",
)


@pytest.mark.parametrize("name", CHECKED)
async def test_the_demos_program_accepts_the_contracts_example(
    database: Database, program: int, name: str
) -> None:
    resource = next(r for r in RESOURCES if r.name == name)
    problems: Problems = []
    row = decode.values(
        resource, CONTRACT[name]["example"], Verb.CREATE, Shape.DOCUMENTED, problems
    )
    problems += decode.check(resource, row, await loaded(database, program), None)
    assert problems == []


async def test_the_demos_program_defines_the_task_type_of_a_survey(
    database: Database, program: int
) -> None:
    assert "survey" in (await loaded(database, program)).task_types


def checked(program: Program, values: Row) -> list[tuple[str, str]]:
    resource = next(r for r in RESOURCES if r.name == "assessment_responses")
    problems = decode.check(resource, values, program, None)
    return [(p.extra["path"], p.detail) for p in problems]


async def test_answers_that_do_not_fit_are_all_reported_with_their_paths(
    database: Database, program: int
) -> None:
    model = {
        "plan_type": "TIN",
        "active": "yes",
        "years_active": -1,
        "pain_scale": 1.5,
        "surprise": 1,
    }
    problems = checked(
        await loaded(database, program), {"spec_name": "Intake assessment", "model": model}
    )
    assert {path for path, _ in problems} == {
        ".model.plan_type",
        ".model.active",
        ".model.years_active",
        ".model.pain_scale",
        ".model.surprise",
    }


async def test_an_answer_that_is_required_and_missing_is_reported(
    database: Database, program: int
) -> None:
    problems = checked(
        await loaded(database, program), {"spec_id": "mood_check", "model": {"low_mood": "never"}}
    )
    assert [path for path, _ in problems] == [".model.lost_interest"]


async def test_a_response_may_name_an_older_version_of_its_spec(
    database: Database, environment: int
) -> None:
    await published(database, environment, FIRST)
    await published(database, environment, A_CHANGED)
    program = await loaded(database, environment)
    assert checked(program, {"spec_id": "a", "spec_version": "1", "model": {"x": "any text"}}) == []
    assert [path for path, _ in checked(program, {"spec_id": "a", "model": {"x": "any text"}})] == [
        ".model.x"
    ]
    assert [
        path for path, _ in checked(program, {"spec_id": "a", "spec_version": "3", "model": {}})
    ] == [".spec_version"]


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_a_program_is_at_hand_for_two_seconds_and_then_looked_at_again(
    database: Database, environment: int
) -> None:
    clock = Clock()
    programs = PublishedPrograms(database, clock)
    assert programs.cached(environment) is None
    await published(database, environment, FIRST)
    first = await programs.of(environment)
    await published(database, environment, A_CHANGED)
    clock.now += 1.9
    assert programs.cached(environment) is first
    assert await programs.of(environment) is first
    clock.now += 0.2
    assert programs.cached(environment) is None
    assert (await programs.of(environment)).version == 2
    assert programs.cached(environment) is await programs.of(environment)


async def test_a_look_that_finds_nothing_new_keeps_the_program(
    database: Database, program: int
) -> None:
    clock = Clock()
    programs = PublishedPrograms(database, clock)
    first = await programs.of(program)
    clock.now += 10
    assert await programs.of(program) is first
    assert programs.cached(program) is first


async def test_what_was_just_published_is_there_when_asked_for_the_newest(
    database: Database, environment: int
) -> None:
    programs = PublishedPrograms(database, Clock())
    assert (await programs.of(environment)).version == 0
    await published(database, environment, FIRST)
    assert (await programs.newest(environment)).version == 1
    cached = programs.cached(environment)
    assert cached is not None
    assert cached.version == 1


async def test_many_callers_share_one_look_and_one_who_gives_up_does_not_end_it(
    database: Database, environment: int
) -> None:
    await published(database, environment, FIRST)
    programs = PublishedPrograms(database, Clock())
    callers = [asyncio.create_task(programs.refresh(environment)) for _ in range(50)]
    await asyncio.sleep(0)
    callers[0].cancel()
    answers = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert len({id(program) for program in answers[1:]}) == 1
    assert isinstance(answers[1], Program)


async def test_a_publish_over_a_version_that_its_publisher_has_not_seen_is_refused(
    database: Database, environment: int
) -> None:
    await published(database, environment, FIRST)
    async with database.connection() as connection:
        await publish(connection, environment, A_CHANGED, "somebody else")
        with pytest.raises(Overtaken) as refused:
            await publish(connection, environment, parse(FIRST), "test", over=1)
        assert refused.value.version == 2
        assert (await publish(connection, environment, parse(FIRST), "test", over=2)).version == 3
