"""The lists and editors of a program's elements, over real HTTP, for one designer and for two at
once.
"""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from urllib.parse import quote

import httpx
import pytest

from almoner.database import Database
from almoner.workshop import drafts
from almoner.workshop.checks import problems
from almoner.workshop.design import ProgramDesign
from almoner.workshop.pages.editor.form import written
from almoner.workshop.pages.elements.group import GROUP
from tests.people import People, Person
from tests.web.document import Document
from tests.workshop.pages.test_editor_form import Browser


async def draft(database: Database, environment: int) -> drafts.Draft:
    async with database.connection() as connection:
        return await drafts.current(connection, environment)


async def design(database: Database, environment: int) -> ProgramDesign:
    return (await draft(database, environment)).design


@pytest.fixture
async def lesley(people: People, designer: Person) -> AsyncIterator[Person]:
    """A second designer of the same program."""
    async with await people(
        designer.environment_id, "designer", first_name="Lesley", last_name="Park"
    ) as person:
        yield person


def sent(page: str, start: str = '<form class="card" id="element"') -> list[tuple[str, str]]:
    """What a browser would send of the form of an element, the token of the session left out."""
    form = page[page.index(start) :]
    browser = Browser()
    browser.feed(form[: form.index("</form>")])
    return [pair for pair in browser.pairs if pair[0] not in ("csrf", "form_token")]


def form_pairs(pairs: list[tuple[str, str]], **values: str) -> list[tuple[str, str]]:
    """The same with other texts in some fields. Names are written with __ for a dot."""
    named = {name.replace("__", "."): value for name, value in values.items()}
    return [(name, named.get(name, value)) for name, value in pairs]


async def opened(person: Person, path: str) -> list[tuple[str, str]]:
    answer = await person.get(path)
    assert answer.status_code == 200, answer.text
    return sent(answer.text)


@pytest.mark.parametrize("key", list(GROUP))
async def test_every_group_has_its_page_and_each_of_its_elements_an_editor(
    designer: Person, database: Database, key: str
) -> None:
    group, program = GROUP[key], await design(database, designer.environment_id)
    page = await designer.get(group.path)
    assert page.status_code == 200
    assert page.text.count("<h1>") == 1
    if not group.is_list:
        assert Document(page).form(to=group.path.replace("/workshop/", "/workshop/save/"))
        return
    for index, element in enumerate(group.items(program)):
        assert Document(page).link(to=group.link(program, index))
        if key == "assessments":
            continue
        editor = await designer.get(group.link(program, index))
        assert editor.status_code == 200, editor.text
        expected = [pair for pair in written(element).pairs if pair[1].strip()]
        there = sent(editor.text)
        # That a part is there is ticked, and so sent as browsers send a tick.
        missing = [
            (name, value)
            for name, value in expected
            if not {(name, value), (name, "on" if name.endswith(":given") else value)} & set(there)
        ]
        assert not missing, (element, missing)
    assert (await designer.get(f"/workshop/new/{key}")).status_code == 200


async def test_an_element_is_changed_renamed_in_its_place_and_added(
    designer: Person, database: Database
) -> None:
    before = [phase.name for phase in (await design(database, designer.environment_id)).phases]
    pairs = form_pairs(
        await opened(designer, f"/workshop/phases/{before[1]}"),
        name="a phase/with ?signs",
        title="Other",
    )
    answer = await designer.send_form(f"/workshop/save/phases/{before[1]}", *pairs)
    assert answer.status_code == 303
    page = await designer.get(answer.headers["location"])
    assert "Saved as a draft" in Document(page).testid("saved")
    after = (await design(database, designer.environment_id)).phases
    assert [phase.name for phase in after] == [before[0], "a phase/with ?signs", *before[2:]]
    assert after[1].title == "Other"

    new = await designer.send_form(
        "/workshop/add/phases",
        *form_pairs(await opened(designer, "/workshop/new/phases"), name="later"),
    )
    assert new.status_code == 303
    assert (await design(database, designer.environment_id)).phases[-1].name == "later"


async def test_a_form_that_is_wrong_keeps_what_was_typed_and_saves_nothing(
    designer: Person, database: Database
) -> None:
    before = await draft(database, designer.environment_id)
    kind = before.design.appointment_types[0]
    path = f"/workshop/appointment_types/{quote(kind.name, safe='')}"
    pairs = form_pairs(await opened(designer, path), minutes="1,5", title="<b>Long</b> talk")
    for htmx in (False, True):
        answer = await designer.send_form(
            path.replace("/workshop/", "/workshop/save/"), *pairs, htmx=htmx
        )
        assert answer.status_code == 422
        assert "A whole number is expected, such as 14." in Document(answer).field("minutes").error
        assert dict(sent(answer.text)) == dict(pairs) | {"base": str(before.revision)}
        assert not Document(answer).node.css("b")
        assert bool(Document(answer).all("main")) is not htmx
    assert (await draft(database, designer.environment_id)).revision == before.revision


async def test_a_name_that_programs_do_not_expect_is_remarked_on_and_saved(
    designer: Person, database: Database
) -> None:
    remark = "Programs expect small letters, digits and underscores."
    pairs = form_pairs(
        await opened(designer, "/workshop/new/phases"), name="After-Care 2", title="Aftercare"
    )
    assert remark not in Document(await designer.get("/workshop/phases/intake")).main()
    assert (await designer.send_form("/workshop/add/phases", *pairs)).status_code == 303
    assert (
        remark in Document(await designer.get(f"/workshop/phases/{quote('After-Care 2')}")).main()
    )
    assert (await design(database, designer.environment_id)).phases[-1].name == "After-Care 2"


async def test_a_list_tells_which_phases_may_follow_by_their_titles(designer: Person) -> None:
    assert Document(await designer.get("/workshop/phases")).row(
        "may be followed by Maintenance, Paused, Graduated or Withdrawn"
    )


async def test_what_is_to_be_mended_is_said_at_its_field_and_saved_as_a_draft(
    designer: Person, database: Database
) -> None:
    pairs = await opened(designer, "/workshop/custom_data_types/insurance")
    choices = next(name for name, value in pairs if value == "BRONZE").removesuffix(".0")
    texts = {f"{choices}.{at}": text for at, text in enumerate(("SILVER", "GOLD", "GOLD"))}
    pairs = [
        (name, texts.get(name, "" if name.startswith(f"{choices}.") else value))
        for name, value in pairs
    ]
    answer = await designer.send_form(
        "/workshop/save/custom_data_types/insurance", *pairs, htmx=True
    )
    assert answer.status_code == 200
    assert Document(answer).status(
        "Saved as a draft; 1 thing is to be mended before it can be published."
    )
    assert Document(answer).field(f"{choices}.2").error == "GOLD is listed before."
    assert Document(await designer.get("/workshop/custom_data_types")).row("1 problem")
    assert (await design(database, designer.environment_id)).custom_data_types[3].fields[
        3
    ].choices == ("SILVER", "GOLD", "GOLD")


async def test_buttons_of_a_list_in_a_form_change_the_form_and_save_nothing(
    designer: Person, database: Database
) -> None:
    revision = (await draft(database, designer.environment_id)).revision
    path = f"/workshop/care_flows/{quote('Low mood')}"
    pairs = form_pairs(await opened(designer, path), goals__0__title="Typed, not saved")
    added = await designer.send_form(
        path.replace("care_flows", "save/care_flows"), *pairs, ("do", "add:goals"), htmx=True
    )
    assert added.status_code == 200
    assert Document(added).focus == "goals.2"
    assert dict(sent(added.text))["goals.0.title"] == "Typed, not saved"
    moved = await designer.send_form(
        path.replace("care_flows", "save/care_flows"), *pairs, ("do", "down:goals:0")
    )
    assert [value for name, value in sent(moved.text) if name == "goals:item"] == ["1", "0"]
    assert (await draft(database, designer.environment_id)).revision == revision


async def test_elements_are_reordered_by_a_button_and_by_dragging(
    designer: Person, database: Database
) -> None:
    first = await draft(database, designer.environment_id)
    names = [phase.name for phase in first.design.phases]
    places = [("item", str(place)) for place in range(len(names))]
    answer = await designer.send_form(
        "/workshop/arrange/phases",
        ("base", str(first.revision)),
        *places,
        ("do", "down:0"),
        htmx=True,
    )
    assert answer.status_code == 200
    assert Document(answer).focus == "down:1"
    second = await draft(database, designer.environment_id)
    assert [phase.name for phase in second.design.phases] == [names[1], names[0], *names[2:]]
    answer = await designer.send_form(
        "/workshop/arrange/phases", ("base", str(second.revision)), *reversed(places)
    )
    assert answer.status_code == 303
    assert [phase.name for phase in (await design(database, designer.environment_id)).phases] == [
        *reversed(names[2:]),
        names[0],
        names[1],
    ]


async def test_removing_asks_and_says_where_the_element_is_named(
    designer: Person, database: Database
) -> None:
    asked = await designer.get("/workshop/remove/custom_data_types/lab_result")
    assert Document(asked).row("Role “Community health worker” · custom data that stays hidden")
    assert Document(asked).row("Sidebar card “Lab results” · of")
    base = str((await draft(database, designer.environment_id)).revision)
    answer = await designer.send_form("/workshop/remove/custom_data_types/lab_result", base=base)
    assert answer.status_code == 303
    assert "lab_result" not in {
        data_type.name
        for data_type in (await design(database, designer.environment_id)).custom_data_types
    }
    role = await designer.get("/workshop/roles/community_health_worker")
    assert "There is no custom data type lab_result" in Document(role).field("hidden_data").error
    assert Document(role).get("checkbox", "lab_result (not in the program)")
    again = await designer.send_form("/workshop/remove/custom_data_types/nothing", base=base)
    assert again.status_code == 404


async def test_an_element_that_shares_its_name_with_another_can_be_edited(
    designer: Person, database: Database
) -> None:
    for title in ("One", "Two"):
        pairs = form_pairs(
            await opened(designer, "/workshop/new/task_types"), name="twin", title=title
        )
        await designer.send_form("/workshop/add/task_types", *pairs)
    page = (await designer.get("/workshop/task_types")).text
    match = re.search(r'href="(/workshop/task_types/twin\?at=\d+)"', page)
    assert match is not None
    pairs = form_pairs(await opened(designer, match[1]), name="single")
    await designer.send_form(match[1].replace("/workshop/", "/workshop/save/"), *pairs)
    kinds = (await design(database, designer.environment_id)).task_types[-2:]
    assert [(kind.name, kind.title) for kind in kinds] == [("twin", "One"), ("single", "Two")]


PREVIEWS: list[tuple[str, list[tuple[str, str]], str]] = [
    (
        "phases",
        [("name", "p"), ("next:given", "yes")],
        "From here a coach can choose no other phase.",
    ),
    ("appointment_types", [("name", "a"), ("modalities", "video"), ("minutes", "1,5")], "Video"),
    (
        "custom_data_types",
        [
            ("name", "c"),
            ("fields:item", "0"),
            ("fields.0.label", "Blood type"),
            ("fields.0.kind", "text"),
        ],
        "Blood type",
    ),
    (
        "care_flows",
        [("goals:item", "0"), ("goals.0.title", "Sleep"), ("goals.0.interventions:item", "0")],
        "Sleep",
    ),
    (
        "task_types",
        [("name", "t"), ("title", "Walk <i>daily</i>")],
        "Walk <i>daily</i>",
    ),
    (
        "message_templates",
        [("name", "m"), ("body", "Hello {{patient.first_name}}, {{nobody}}")],
        "Hello Ana",
    ),
    (
        "call_outcomes",
        [("name", "c"), ("title", "Spoke to a relative"), ("completes", "on")],
        "taken place",
    ),
    (
        "note_types",
        [("name", "n"), ("template", "How it goes:")],
        "How it goes:",
    ),
    (
        "processes",
        [
            ("name", "p"),
            ("when.event", "phase_left"),
            ("if.all:item", "0"),
            ("if.all.0.of", "consent"),
            ("if.all.0.field", "sms"),
            ("if.all.0.is:sort", "truth"),
            ("if.all.0.is", "yes"),
        ],
        "the consent to SMS is yes",
    ),
    (
        "working_hours",
        [("days", "monday"), ("start", "08:00"), ("end", "12:00")],
        "Monday 08:00 to 12:00 Tuesday closed",
    ),
    ("roles", [("name", "r"), ("may", "design"), ("patients", "own")], "whose coach the worker is"),
    ("terminology", [("patient", "member"), ("patients", "members")], "Find a member"),
    ("sidebar", [("title", "My card"), ("shows", "contact")], "My card"),
]


@pytest.mark.parametrize(
    ("key", "pairs", "expected"), PREVIEWS, ids=[key for key, _, _ in PREVIEWS]
)
async def test_a_preview_follows_what_is_typed_though_it_is_not_complete(
    designer: Person, database: Database, key: str, pairs: list[tuple[str, str]], expected: str
) -> None:
    revision = (await draft(database, designer.environment_id)).revision
    answer = await designer.send_form(
        f"/workshop/preview/{key}", ("base", str(revision)), *pairs, htmx=True
    )
    assert answer.status_code == 200
    assert expected in Document(answer)
    assert (await draft(database, designer.environment_id)).revision == revision


async def test_edits_of_different_elements_merge_and_each_is_told_of_the_other(
    designer: Person, lesley: Person, database: Database
) -> None:
    mine = await opened(designer, "/workshop/phases/intake")
    theirs = await opened(lesley, "/workshop/task_types/weigh_in")
    answer = await lesley.send_form(
        "/workshop/save/task_types/weigh_in", *form_pairs(theirs, title="Step on the scale")
    )
    assert answer.status_code == 303
    saved = await designer.send_form(
        "/workshop/save/phases/intake", *form_pairs(mine, title="Arrival"), htmx=True
    )
    assert saved.status_code == 200
    assert "Lesley Park changed Tasks meanwhile; both are kept." in Document(saved).testid("banner")
    program = await design(database, designer.environment_id)
    assert next(phase for phase in program.phases if phase.name == "intake").title == "Arrival"
    assert (
        next(task_type for task_type in program.task_types if task_type.name == "weigh_in").title
        == "Step on the scale"
    )


async def test_edits_of_different_fields_of_one_element_merge(
    designer: Person, lesley: Person, database: Database
) -> None:
    mine = form_pairs(
        await opened(designer, "/workshop/appointment_types/intake_call"), title="First talk"
    )
    theirs = form_pairs(
        await opened(lesley, "/workshop/appointment_types/intake_call"), minutes="77"
    )
    for person, pairs in ((lesley, theirs), (designer, mine)):
        assert (
            await person.send_form("/workshop/save/appointment_types/intake_call", *pairs)
        ).status_code == 303
    kind = next(
        appointment_type
        for appointment_type in (await design(database, designer.environment_id)).appointment_types
        if appointment_type.name == "intake_call"
    )
    assert (kind.title, kind.minutes) == ("First talk", 77)


SAVE = "/workshop/save/phases/intake"
TITLE = 'choose:phases["intake"].title'


async def conflict(designer: Person, lesley: Person, htmx: bool = True) -> httpx.Response:
    """Both change the title of a phase; the second one its description as well."""
    mine = form_pairs(
        await opened(designer, "/workshop/phases/intake"),
        title="Mine",
        description="Mine alone\nand <long>",
    )
    theirs = form_pairs(await opened(lesley, "/workshop/phases/intake"), title="Theirs")
    assert (await lesley.send_form(SAVE, *theirs)).status_code == 303
    answer = await designer.send_form(SAVE, *mine, htmx=htmx)
    assert answer.status_code == 409
    return answer


def choosing(answer: httpx.Response) -> list[tuple[str, str]]:
    """What the form of a conflict sends where nothing is chosen in it."""
    return sent(answer.text, '<form class="card conflict"')


async def intake(database: Database, environment: int) -> tuple[str, str]:
    phase = next(
        phase for phase in (await design(database, environment)).phases if phase.name == "intake"
    )
    return phase.title, phase.description


@pytest.mark.parametrize("htmx", [True, False])
async def test_a_conflict_shows_both_values_and_nothing_is_chosen_or_saved(
    designer: Person, lesley: Person, database: Database, htmx: bool
) -> None:
    answer = await conflict(designer, lesley, htmx)
    assert Document(answer).get("group", "Phase intake, title")
    for words in ("Theirs", "Mine", "Lesley Park,", "Yours, not saved yet"):
        assert words in Document(answer).get("group", "Phase intake, title")
    assert not [radio for radio in Document(answer).all("radio") if radio.has("checked")]
    assert bool(Document(answer).all("main")) is not htmx
    assert (await intake(database, designer.environment_id))[0] == "Theirs"


@pytest.mark.parametrize(("side", "expected"), [("mine", "Mine"), ("theirs", "Theirs")])
async def test_the_side_that_is_chosen_is_saved_with_all_else_that_was_typed(
    designer: Person, lesley: Person, database: Database, side: str, expected: str
) -> None:
    answer = await conflict(designer, lesley)
    chosen = await designer.send_form(SAVE, *choosing(answer), (TITLE, side))
    assert chosen.status_code == 303
    assert await intake(database, designer.environment_id) == (expected, "Mine alone\nand <long>")
    assert "Saved as a draft" in Document(await designer.get(chosen.headers["location"])).testid(
        "saved"
    )


async def test_a_conflict_without_a_choice_is_asked_again_and_loses_nothing(
    designer: Person, lesley: Person, database: Database
) -> None:
    first = await conflict(designer, lesley)
    for extra in ([], [(TITLE, "nonsense")]):
        again = await designer.send_form(SAVE, *choosing(first), *extra)
        assert again.status_code == 409
        assert (
            "Choose one of the two." in Document(again).field('choose:phases["intake"].title').error
        )
        assert choosing(again) == choosing(first)
    assert (await intake(database, designer.environment_id))[0] == "Theirs"


async def test_a_third_change_during_the_choice_is_not_overwritten_unseen(
    designer: Person, lesley: Person, database: Database
) -> None:
    answer = await conflict(designer, lesley)
    other = form_pairs(
        await opened(lesley, "/workshop/task_types/weigh_in"), title="Noise elsewhere"
    )
    await lesley.send_form("/workshop/save/task_types/weigh_in", *other)
    third = form_pairs(await opened(lesley, "/workshop/phases/intake"), title="Third")
    await lesley.send_form(SAVE, *third)
    again = await designer.send_form(SAVE, *choosing(answer), (TITLE, "mine"))
    assert again.status_code == 409
    assert Document(again).get("radio", "Third")
    assert (await intake(database, designer.environment_id))[0] == "Third"
    final = await designer.send_form(SAVE, *choosing(again), (TITLE, "mine"))
    assert final.status_code == 303
    assert await intake(database, designer.environment_id) == ("Mine", "Mine alone\nand <long>")


async def test_a_change_elsewhere_during_the_choice_does_not_ask_again(
    designer: Person, lesley: Person, database: Database
) -> None:
    answer = await conflict(designer, lesley)
    other = form_pairs(await opened(lesley, "/workshop/phases/graduated"), title="Noise next to it")
    await lesley.send_form("/workshop/save/phases/graduated", *other)
    assert (await designer.send_form(SAVE, *choosing(answer), (TITLE, "mine"))).status_code == 303
    program = await design(database, designer.environment_id)
    assert {phase.title for phase in program.phases} >= {"Mine", "Noise next to it"}


async def test_one_removes_what_the_other_changes_and_is_asked(
    designer: Person, lesley: Person, database: Database
) -> None:
    base = str((await draft(database, designer.environment_id)).revision)
    await lesley.send_form(
        SAVE, *form_pairs(await opened(lesley, "/workshop/phases/intake"), title="Theirs")
    )
    answer = await designer.send_form("/workshop/remove/phases/intake", base=base)
    assert answer.status_code == 409
    assert Document(answer).get("radio", "Not there")
    done = await designer.send_form(
        "/workshop/remove/phases/intake", *choosing(answer), ('choose:phases["intake"]', "theirs")
    )
    assert done.status_code == 303
    assert (await intake(database, designer.environment_id))[0] == "Theirs"


async def test_who_edits_what_is_seen_by_the_others_and_asking_for_it_is_no_activity(
    designer: Person, lesley: Person, database: Database
) -> None:
    await opened(lesley, "/workshop/roles/nurse")
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE worker_sessions SET seen_at = clock_timestamp() - interval '10 minutes' WHERE"
            " environment_id = $1",
            designer.environment_id,
        )
    line = await designer.fragment("/workshop/presence?part=Phases")
    assert line.status_code == 200
    assert Document(line).words.endswith("· Lesley Park is editing “Roles”")
    async with database.connection() as connection:
        idle = await connection.fetchval(
            "SELECT min(clock_timestamp() - seen_at) > interval '9 minutes' FROM worker_sessions"
            " WHERE environment_id = $1",
            designer.environment_id,
        )
    assert idle


async def test_only_designers_open_these_pages_and_a_test_environment_has_none(
    people: People, designer: Person, database: Database
) -> None:
    async with await people(designer.environment_id, "coach") as coach:
        for path in (
            "/workshop/phases",
            "/workshop/phases/intake",
            "/workshop/new/phases",
            "/workshop/presence",
        ):
            assert (await coach.get(path)).status_code == 403
        assert (await coach.send_form(SAVE, base="0")).status_code == 403
    pairs = form_pairs(await opened(designer, "/workshop/phases/intake"), title="Nowhere")
    assert (await designer.get("/workshop/phases/nobody-has-this")).status_code == 404
    assert (await designer.send_form(SAVE, base="999999")).status_code == 404
    async with database.connection() as connection:
        live = await connection.fetchval(
            "SELECT min(id) FROM environments WHERE id <> $1", designer.environment_id
        )
        await connection.execute(
            "UPDATE environments SET test_of = $2 WHERE id = $1", designer.environment_id, live
        )
    for answer in (await designer.get("/workshop/phases"), await designer.send_form(SAVE, *pairs)):
        assert (answer.status_code, answer.headers["location"]) == (303, "/workshop")
    assert (await draft(database, designer.environment_id)).revision == -1


async def test_an_empty_group_says_how_to_begin(people: People, environment: int) -> None:
    async with await people(environment, "designer") as person:
        page = await person.get("/workshop/care_flows")
        assert "There is no care flow yet" in Document(page).region(
            "Goals and steps that coaches start from"
        )
        assert Document(page).link(to="/workshop/new/care_flows")


@pytest.mark.parametrize("key", [key for key, group in GROUP.items() if group.is_list])
async def test_an_element_is_duplicated_behind_itself_under_a_name_of_its_own(
    designer: Person, database: Database, key: str
) -> None:
    group, before = GROUP[key], await draft(database, designer.environment_id)
    items = group.items(before.design)
    for times in (1, 2):
        base = str((await draft(database, designer.environment_id)).revision)
        answer = await designer.send_form(group.link(before.design, 0, "duplicate"), base=base)
        assert answer.status_code == 303
        copy = await designer.get(answer.headers["location"])
        assert copy.status_code == 200
        # An assessment's editor saves each part by itself; the others have one button, which the
        # copy does not wait for.
        assert bool(Document(copy).testids("banner")) == (key != "assessments")
        after = await design(database, designer.environment_id)
        assert len(group.items(after)) == len(items) + times
    items_after = group.items(after)
    assert items_after[0] == items[0]
    assert items_after[3:] == items[1:]
    assert len({group.name_of(item) for item in items_after}) == len(items_after)
    assert not problems(after)


async def test_an_element_that_one_removed_while_another_edited_it_is_not_lost(
    designer: Person, lesley: Person, database: Database
) -> None:
    flow = "/workshop/save/care_flows/Low%20mood"
    form = await opened(designer, "/workshop/care_flows/Low%20mood")
    base = str((await draft(database, designer.environment_id)).revision)
    await lesley.send_form("/workshop/remove/care_flows/Low%20mood", base=base)
    answer = await designer.send_form(flow, *form_pairs(form, description="Typed with care"))
    assert answer.status_code == 409
    assert Document(answer).get("radio", "Typed with care")
    path = re.search(r'name="(choose:[^"]*)"', answer.text)
    assert path is not None
    now = str((await draft(database, designer.environment_id)).revision)
    response = await designer.send_form(
        flow,
        *form_pairs(form, description="Typed with care"),
        (html.unescape(path[1]), "mine"),
        read=now,
    )
    assert response.status_code == 303
    flows = [
        care_flow
        for care_flow in (await design(database, designer.environment_id)).care_flows
        if care_flow.name == "Low mood"
    ]
    assert [care_flow.description for care_flow in flows] == ["Typed with care"]


async def test_an_order_and_an_edit_of_two_people_both_arrive(
    designer: Person, lesley: Person, database: Database
) -> None:
    before = await draft(database, designer.environment_id)
    names = [phase.name for phase in before.design.phases]
    form = await opened(designer, f"/workshop/phases/{names[0]}")
    order = [("item", str(number)) for number in reversed(range(len(names)))]
    await lesley.send_form("/workshop/arrange/phases", *order, base=str(before.revision))
    await designer.send_form(
        f"/workshop/save/phases/{names[0]}", *form_pairs(form, description="Newly said")
    )
    after = (await design(database, designer.environment_id)).phases
    assert [phase.name for phase in after] == names[::-1]
    assert after[-1].description == "Newly said"


async def test_a_rename_and_a_new_reference_to_the_old_name_both_stay_and_the_reference_is_told(
    designer: Person, lesley: Person, database: Database
) -> None:
    before = await draft(database, designer.environment_id)
    first, second, *_ = [phase.name for phase in before.design.phases]
    form = await opened(designer, f"/workshop/phases/{second}")
    renamed = form_pairs(await opened(lesley, f"/workshop/phases/{first}"), name="renamed")
    await lesley.send_form(f"/workshop/save/phases/{first}", *renamed)
    without = [pair for pair in form if pair[0] not in ("next", "next:given")]
    await designer.send_form(
        f"/workshop/save/phases/{second}", *without, ("next:given", "yes"), ("next", first)
    )
    after = await design(database, designer.environment_id)
    assert [phase.name for phase in after.phases][:2] == ["renamed", second]
    assert after.phases[1].next == (first,)
    assert Document(await designer.get("/workshop")).row(f"There is no phase {first}")


async def test_a_card_of_the_profile_names_what_it_shows_as_people_read_it(
    designer: Person, database: Database
) -> None:
    program = await design(database, designer.environment_id)
    titles = {spec.id: spec.name for spec in program.assessments}
    titles |= {kind.name: kind.title or kind.name for kind in program.custom_data_types}
    cards = [card for card in program.sidebar if card.of]
    assert cards
    page = Document(await designer.get("/workshop/sidebar"))
    for card in cards:
        row = page.row(card.title)
        assert titles[card.of or ""] in row
        assert not row.mentions(f"of {card.of}")
