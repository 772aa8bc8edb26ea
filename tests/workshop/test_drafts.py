"""Drafts and locks: every save is kept, two who save at once lose nothing, and a revision can be
tested.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from typing import Any

import asyncpg
import pytest
from msgspec.structs import replace

from almoner.access import environments
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Database
from almoner.errors import ApiError
from almoner.resources.workers import workers
from almoner.workshop import drafts, kiwi_health, locks
from almoner.workshop.design import Phase, ProgramDesign
from almoner.workshop.merge import resolve
from almoner.workshop.pairing import paired
from almoner.workshop.program_file import parse
from almoner.workshop.publish import UnfitDesign, publish
from almoner.workshop.published_programs import design_of, newest_version

DEMO = parse(kiwi_health.source())


def phases(*names: str, title: str = "") -> ProgramDesign:
    return ProgramDesign(name="P", phases=tuple(Phase(name=name, title=title) for name in names))


async def test_work_begins_from_what_is_published_or_from_nothing(
    connection: Any, environment: int
) -> None:
    first = await drafts.current(connection, environment)
    assert (first.revision, first.design.phases, first.saved_at) == (0, (), None)
    assert first.design.name.startswith("test-")
    await publish(connection, environment, kiwi_health.source(), "test")
    begun = await drafts.current(connection, environment)
    assert (begun.revision, begun.design) == (-1, DEMO)
    assert not await drafts.differs(connection, environment, begun)


async def test_a_save_is_a_revision_with_who_when_and_what(
    connection: Any, environment: int, program: int
) -> None:
    saved = await drafts.save(connection, environment, -1, replace(DEMO, name="Kiwi"), "Ada")
    assert (saved.revision, saved.is_new, saved.merged_with) == (1, True, ())
    assert (
        await drafts.current(connection, environment)
        == saved.draft
        == await drafts.at(connection, environment, 1)
    )
    (revision,) = await drafts.history(connection, environment)
    assert (revision.saved_by, revision.summary) == ("Ada", "the program was renamed")
    assert await drafts.differs(connection, environment, saved.draft)


async def test_a_save_that_changes_nothing_makes_no_revision(
    connection: Any, environment: int, program: int
) -> None:
    assert not (await drafts.save(connection, environment, -1, DEMO, "Ada")).is_new
    assert await drafts.history(connection, environment) == ()


async def test_edits_of_two_people_are_merged_and_told(connection: Any, environment: int) -> None:
    await drafts.save(connection, environment, 0, phases("a", "b"), "Ada")
    await drafts.save(connection, environment, 1, phases("a", "b", "theirs"), "Ben")
    saved = await drafts.save(connection, environment, 1, phases("mine", "a", "b"), "Cleo")
    assert [p.name for p in saved.draft.design.phases] == ["mine", "a", "b", "theirs"]
    assert [(r.revision, r.saved_by, r.summary) for r in saved.merged_with] == [
        (2, "Ben", "phase theirs added")
    ]


async def test_the_same_part_changed_twice_saves_nothing_and_gives_both_values(
    connection: Any, environment: int
) -> None:
    await drafts.save(connection, environment, 0, phases("a"), "Ada")
    await drafts.save(connection, environment, 1, phases("a", title="Theirs"), "Ben")
    with pytest.raises(drafts.Conflicted) as raised:
        await drafts.save(connection, environment, 1, phases("a", title="Mine"), "Cleo")
    (conflict,) = raised.value.conflicts
    assert (conflict.theirs, conflict.mine, raised.value.current.saved_by) == (
        "Theirs",
        "Mine",
        "Ben",
    )
    assert (await drafts.current(connection, environment)).revision == 2
    chosen = resolve(raised.value.merged, {conflict.path: "mine"})
    saved = await drafts.save(
        connection, environment, raised.value.current.revision, chosen, "Cleo"
    )
    assert (saved.revision, saved.draft.design.phases[0].title) == (3, "Mine")


async def test_a_publish_between_a_look_and_the_first_save_is_merged_too(
    connection: Any, environment: int
) -> None:
    await publish(connection, environment, "program: P\nphases: [{name: a}]\n", "test")
    looked = await drafts.current(connection, environment)
    await publish(
        connection, environment, "program: P\nphases: [{name: a}, {name: published}]\n", "test"
    )
    saved = await drafts.save(connection, environment, looked.revision, phases("mine", "a"), "Ada")
    assert [p.name for p in saved.draft.design.phases] == ["mine", "a", "published"]


async def test_twenty_saves_at_once_keep_every_edit(database: Database, environment: int) -> None:
    async def add(number: int) -> None:
        async with database.connection() as connection:
            await drafts.save(
                connection,
                environment,
                0,
                replace(begun.design, phases=(Phase(name=f"p{number}"),)),
                f"W{number}",
            )

    async with database.connection() as connection:
        begun = await drafts.current(connection, environment)
    await asyncio.gather(*(add(number) for number in range(20)))
    async with database.connection() as connection:
        revisions = await drafts.history(connection, environment)
        assert {p.name for p in (await drafts.current(connection, environment)).design.phases} == {
            f"p{n}" for n in range(20)
        }
    assert [r.revision for r in revisions] == list(range(20, 0, -1))


async def test_a_version_is_restored_and_changes_are_discarded_as_revisions(
    connection: Any, environment: int, program: int
) -> None:
    await publish(connection, environment, replace(DEMO, name="Second"), "test")
    await drafts.save(connection, environment, -2, replace(DEMO, name="Third"), "Ada")
    restored = await drafts.restore(connection, environment, 1, "Ada")
    assert (restored.revision, restored.draft.design, restored.draft.summary) == (
        2,
        DEMO,
        "version 1 restored",
    )
    discarded = await drafts.discard(connection, environment, "Ada")
    assert (discarded.revision, discarded.draft.design.name) == (3, "Second")
    assert (await drafts.at(connection, environment, 1)).design.name == "Third"
    for missing in (
        drafts.restore(connection, environment, 9, "Ada"),
        drafts.at(connection, environment, 9),
    ):
        with pytest.raises(LookupError):
            await missing


async def test_a_draft_may_have_problems_and_no_revision_can_be_changed(
    connection: Any, environment: int
) -> None:
    saved = await drafts.save(connection, environment, 0, phases("a", "a"), "Ada")
    assert [p.name for p in saved.draft.design.phases] == ["a", "a"]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(
            "UPDATE program_drafts SET summary = '' WHERE environment_id = $1", environment
        )


async def worker(store: Store, environment: int, first_name: str) -> str:
    body = {
        "email": f"{uuid.uuid4().hex}@example.org",
        "first_name": first_name,
        "last_name": "Lee",
        "timezone": "UTC",
    }
    written = await store.create(
        Actor(environment, "test", "cli", "test", whole=True), workers, body
    )
    return str(json.loads(written.body)["id"])


async def test_others_who_edit_are_seen_for_a_minute(
    connection: Any, store: Store, environment: int, program: int
) -> None:
    ada, ben, gone = [await worker(store, environment, name) for name in ("Ada", "Ben", "Gone")]
    for who, part in ((ada, "phases"), (ben, "roles"), (ben, "assessments"), (gone, "phases")):
        await drafts.editing(connection, environment, who, part)
    await connection.execute(
        "UPDATE draft_editors SET seen_at = seen_at - interval '61 seconds' WHERE environment_id ="
        " $1 AND worker_id = $2",
        *(environment, gone),
    )
    assert await drafts.others_editing(connection, environment, ada) == (
        ("Ben Lee", "assessments"),
    )


async def test_one_environment_sees_no_draft_of_another(
    connection: Any, environment: int, program: int
) -> None:
    other = await environments.create(connection, f"other-{environment}")
    await drafts.save(connection, other, 0, phases("a"), "Ada")
    assert await drafts.history(connection, environment) == ()
    assert (await drafts.current(connection, environment)).revision == -1


async def test_a_locked_revision_is_published_where_it_is_tested(
    connection: Any, environment: int, program: int
) -> None:
    test = await environments.create(connection, f"rehearsal-{environment}", test_of=environment)
    saved = await drafts.save(connection, environment, -1, replace(DEMO, name="Next"), "Ada")
    lock = await locks.lock(
        connection,
        environment,
        revision=saved.revision,
        test_environment_id=test,
        by="Ada",
        message="Please try it",
    )
    assert (lock.number, lock.revision, lock.test_version, lock.message) == (
        1,
        1,
        1,
        "Please try it",
    )
    assert await locks.list_locks(connection, environment) == (lock,)
    assert (await design_of(connection, test, 1)).name == "Next"
    assert (await design_of(connection, environment, 1)).name == DEMO.name
    again = await locks.lock(connection, environment, saved.revision, test, "Ada")
    assert (again.number, again.test_version) == (2, 1)


async def test_a_version_to_test_and_its_lock_stand_together_or_not_at_all(
    connection: Any, environment: int, program: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = await environments.create(connection, f"rehearsal-{environment}", test_of=environment)
    saved = await drafts.save(connection, environment, -1, replace(DEMO, name="Next"), "Ada")

    async def breaks_off(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(drafts, "hold", breaks_off)
        with pytest.raises(ConnectionError):
            await locks.lock(connection, environment, saved.revision, test, "Ada")
    assert await newest_version(connection, test) == 0
    assert await locks.list_locks(connection, environment) == ()
    assert (
        await locks.lock(connection, environment, saved.revision, test, "Ada")
    ).test_version == 1


async def test_a_revision_with_problems_or_another_environment_cannot_be_locked(
    connection: Any, environment: int
) -> None:
    test = await environments.create(connection, f"rehearsal-{environment}", test_of=environment)
    saved = await drafts.save(connection, environment, 0, phases("a", "a"), "Ada")
    with pytest.raises(UnfitDesign) as raised:
        await locks.lock(connection, environment, saved.revision, test, "Ada")
    assert [p.path for p in raised.value.problems] == ["phases[1].name"]
    other = await environments.create(connection, f"other-{environment}")
    with pytest.raises(ApiError):
        await locks.lock(connection, environment, saved.revision, other, "Ada")
    assert await locks.list_locks(connection, environment) == ()
    with pytest.raises(ApiError):
        await environments.create(connection, f"deeper-{environment}", test_of=test)
    names = {e.id: e for e in await environments.list_environments(connection)}
    assert (names[test].test_of, names[environment].test_of) == (names[environment].name, None)


@pytest.mark.parametrize("revision", [2**31, 10**18, -(10**18)])
async def test_a_revision_of_a_number_that_no_revision_can_have_is_not_there(
    connection: Any, environment: int, revision: int
) -> None:
    with pytest.raises(LookupError):
        await drafts.at(connection, environment, revision)


async def test_a_save_is_merged_and_compared_out_of_the_way_of_everybody_else(
    connection: Any, environment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set()
    for name in ("merge", "compare"):
        real = getattr(drafts, name)

        def noted(*values: Any, real: Any = real) -> Any:
            threads.add(threading.current_thread())
            return real(*values)

        monkeypatch.setattr(drafts, name, noted)
    await drafts.save(connection, environment, 0, phases("intake"), "Ada")
    assert threads
    assert threading.current_thread() not in threads


def test_lists_with_too_much_that_is_new_are_paired_within_a_moment() -> None:
    began = time.process_time()
    base, other = (
        tuple(Phase(name=f"{side} {n}", title=f"T {n}") for n in range(220))
        for side in ("one", "other")
    )
    assert list(paired(base, other)) == [(phase.name, 0) for phase in other]
    few = paired(base[:20], other[:20])
    assert list(few) == [(phase.name, 0) for phase in base[:20]]
    assert time.process_time() - began < 0.5
