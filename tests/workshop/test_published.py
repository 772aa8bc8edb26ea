"""Reading back what was published: any version, exactly, and only as much of it as somebody asks
for.
"""

from __future__ import annotations

import pytest

from almoner.database import Database
from almoner.vocabulary.definitions import BUILT_IN_RIGHTS, Program
from almoner.workshop import kiwi_health, published_programs
from almoner.workshop.design import ProgramDesign, Terminology
from almoner.workshop.program_file import parse
from almoner.workshop.publish import publish
from almoner.workshop.published_programs import OnDemand
from tests.conftest import new_environment

SMALL = """\
program: Small
phases: [{name: intake, title: Intake, next: [done]}, {name: done, next: []}, {name: any}]
task_types: [{name: survey, title: A survey}]
assessments:
- {id: b, name: B, sections: [{questions: [{name: x, kind: text}]}]}
- {id: a, name: A, sections: [{questions: [{name: x, kind: text}]}]}
roles:
- {name: coach, patients: own}
- {name: nurse, may: [give_care], hidden_assessments: [a, b], second_factor: true}
terminology: {patient: member}
"""
ONLY_B = SMALL.replace(
    "- {id: a, name: A, sections: [{questions: [{name: x, kind: text}]}]}\n", ""
).replace("[a, b]", "[b]")


@pytest.fixture
async def two_versions(database: Database, environment: int) -> int:
    """An environment with two versions of a program, beside another that has one."""
    other = await new_environment(database)
    async with database.connection() as connection:
        await publish(connection, environment, kiwi_health.source(), "test")
        await publish(connection, other, ONLY_B, "test")
        await publish(connection, environment, SMALL, "test", accepting=("removals",))
    return environment


async def loaded(database: Database, environment: int) -> Program:
    async with database.connection() as connection:
        return await published_programs.load(connection, environment)


async def test_every_version_is_read_back_exactly_as_it_was_published(
    database: Database, two_versions: int
) -> None:
    async with database.connection() as connection:
        for version, source in ((1, kiwi_health.source()), (2, SMALL)):
            assert await published_programs.design_of(connection, two_versions, version) == parse(
                source
            )
        with pytest.raises(LookupError):
            await published_programs.design_of(connection, two_versions, 3)
        assert await published_programs.program_at(connection, two_versions, 3) is None


async def test_a_single_element_is_read_in_the_version_asked_for(
    database: Database, two_versions: int
) -> None:
    async with database.connection() as connection:
        element = await published_programs.element(
            connection, two_versions, "custom_data_type", "hcp", 1
        )
        assert element == next(
            t for t in parse(kiwi_health.source()).custom_data_types if t.name == "hcp"
        )
        for kind, key, version in (
            ("custom_data_type", "hcp", 2),
            ("assessment", "hcp", 1),
            ("assessment", "c", 1),
        ):
            assert (
                await published_programs.element(connection, two_versions, kind, key, version)
                is None
            )


async def test_the_program_tells_what_pages_need(database: Database, two_versions: int) -> None:
    program = await loaded(database, two_versions)
    assert (program.name, program.version, list(program.newest_specs)) == ("Small", 2, ["b", "a"])
    assert program.next_phases == {"intake": ("done",), "done": (), "any": None}
    assert program.titles["phases", "intake"] == "Intake"
    assert (program.titles["phases", "done"], program.titles["task_types", "survey"]) == (
        "done",
        "A survey",
    )
    # What the program no longer has keeps the last title that it had: rows name it still.
    assert program.titles["appointment_types", "coaching_call"] == "Coaching call"
    assert "coaching_call" not in program.appointment_types
    assert program.terminology == {
        "patient": "member",
        "patients": "patients",
        "coach": "coach",
        "coaches": "coaches",
    }
    assert program.spec_ids == {"A": "a", "B": "b"}


async def test_rights_come_from_the_roles_of_the_program(
    database: Database, two_versions: int
) -> None:
    program = await loaded(database, two_versions)
    coach, both = program.rights(["coach"]), program.rights(["coach", "nurse", "unknown"])
    assert (coach.may, coach.all_patients, coach.second_factor) == (
        frozenset({"give_care"}),
        False,
        False,
    )
    assert (both.all_patients, both.hidden_assessments, both.second_factor) == (
        True,
        frozenset(),
        True,
    )
    assert program.rights(["nurse"]).hidden_assessments == {"a", "b"}
    assert program.rights(["admin"]).may == {"administer", "integrate"}
    assert program.rights(["unknown"]).may == program.rights([]).may == frozenset()


async def test_the_built_in_roles_are_the_same_before_and_after_the_first_publish(
    database: Database, environment: int
) -> None:
    assert (await loaded(database, environment)).roles == BUILT_IN_RIGHTS
    async with database.connection() as connection:
        await publish(connection, environment, "program: P\n", "test")
    assert (await loaded(database, environment)).roles == BUILT_IN_RIGHTS


async def test_a_version_that_nobody_names_is_not_made_ready(
    database: Database, two_versions: int
) -> None:
    parsed: list[str] = []

    def make(source: str) -> str:
        parsed.append(source)
        return source.lower()

    shelf = OnDemand({"a": "A", "b": "B"}, make)
    assert (len(shelf), list(shelf), "b" in shelf, "c" in shelf, parsed) == (
        2,
        ["a", "b"],
        True,
        False,
        [],
    )
    assert [shelf["b"], shelf["b"], shelf.get("c")] == ["b", "b", None]
    assert parsed == ["B"]
    specs = (await loaded(database, two_versions)).specs
    assert (specs["mood_check", 1].name, specs.get(("mood_check", 2))) == ("Mood check", None)


def test_an_outline_keeps_everything_that_has_no_version_of_its_own() -> None:
    """A group that is added to the design must be kept as well."""
    groups = set(ProgramDesign.__struct_fields__)
    assert set(published_programs.Outline.__struct_fields__) == groups
    assert (
        published_programs.outline_of(
            ProgramDesign(name="P", terminology=Terminology(coach="guide")), {}
        ).terminology.coach
        == "guide"
    )
