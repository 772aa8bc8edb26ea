"""The editor of an assessment: what is typed becomes the draft, what is wrong is told at its field,
and nothing is lost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from almoner.database import Database
from almoner.workshop import drafts
from tests.people import People, Person
from tests.web.document import Document
from tests.workshop.pages import intake

PATH = intake.PATH
SEND = "/workshop/assessment"
PREVIEW = "/workshop/preview/assessment"
# Which plan?, as its form sends it.
PLAN = {"label": "Which plan?", "name": "plan", "kind": "choice"}
EITHER = [
    ("shown_when:test", "one_of"),
    ("shown_when.one_of", "SILVER"),
    ("shown_when.one_of", "GOLD"),
]


def choices(*rows: tuple[str, str]) -> list[tuple[str, str]]:
    """Choices with their points, as the form sends them."""
    return [
        pair
        for number, (text, points) in enumerate(rows)
        for pair in (
            ("choices:item", str(number)),
            (f"choices.{number}", text),
            (f"choices.{number}:points", points),
        )
    ]


def condition(question: str, test: str, *values: str) -> list[tuple[str, str]]:
    """What a follow-up waits for, as the form sends it."""
    return [
        ("shown_when.question", question),
        ("shown_when:test", test),
        *((f"shown_when.{test}", value) for value in values),
    ]


@pytest.fixture
async def base(designer: Person, database: Database) -> str:
    """The revision of the draft that has the assessment."""
    return await intake.draft(database, designer.environment_id)


async def send(
    person: Person, base: str, part: str, *pairs: tuple[str, str], **values: str
) -> httpx.Response:
    """A form of the editor, sent as the page does."""
    fields = {"assessment": "intake", "base": base, "part": part, "do": "save", **values}
    return await person.send_form(SEND, *pairs, htmx=True, **fields)


async def preview(person: Person, base: str, *pairs: tuple[str, str], **values: str) -> str:
    answer = await person.send_form(
        PREVIEW, *pairs, htmx=True, **{"assessment": "intake", "base": base, **values}
    )
    assert answer.status_code == 200, answer.text
    return answer.text


def text_of(html: str) -> str:
    """What people read."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


async def test_every_question_is_a_row_with_its_follow_ups_below_it(
    designer: Person, base: str
) -> None:
    page = await designer.get(PATH)
    assert Document(page).row("insurer · text · required")
    assert Document(page).row("pain · scale 0 to 10 · scored")
    assert Document(page).row("shown when How strong is the pain? is above 3")
    assert re.search(
        r'<ol class="follow-ups"[^>]*aria-label="Follow-ups of How strong is the pain\?"', page.text
    )
    assert not Document(page).mentions("Noise")


async def test_ids_are_used_once_in_every_form(designer: Person, base: str) -> None:
    for part in (
        "",
        "about",
        "section.0",
        "section.2",
        "question.0.1",
        "question.1.1",
        "question.1.3",
        "scoring",
    ):
        page = await designer.get(f"{PATH}?open={part}")
        assert page.status_code == 200, part
        ids = re.findall(r'\sid="([^"]*)"', page.text)
        assert len(ids) == len(set(ids)), part
        labelled = set(re.findall(r'<label for="([^"]*)"', page.text))
        assert labelled <= set(ids)


async def test_a_question_that_is_saved_is_in_the_draft(
    designer: Person, base: str, database: Database
) -> None:
    values = {
        "label": "How old are you?",
        "name": "",
        "kind": "integer",
        "low": "18",
        "high": "120",
        "weight": "0.5",
        "help": "In years.",
    }
    answer = await send(designer, base, "question.0.2", required="on", **values)
    assert answer.status_code == 200, answer.text
    added = (await intake.stored(database, designer.environment_id)).sections[0].questions[2]
    assert (added.name, added.kind, added.low, added.high, added.weight) == (
        "how_old_are_you",
        "integer",
        18,
        120,
        0.5,
    )
    assert added.required
    assert added.help == "In years."


async def test_a_choice_that_is_there_already_is_told_at_its_field_and_stays_typed(
    designer: Person, base: str, database: Database
) -> None:
    answer = await send(
        designer,
        base,
        "question.0.1",
        *choices(("SILVER", ""), ("GOLD", "2"), ("GOLD", "3")),
        **PLAN,
    )
    assert answer.status_code == 422
    assert Document(answer).field("choices.2").error == "GOLD is listed before."
    assert re.search(
        r'<input name="choices.2" id="choices.2" value="GOLD"[^>]*aria-invalid="true"', answer.text
    )
    assert Document(answer).focus == "choices.2"
    assert Document(answer).field("choices.2:points").value == "3"
    assert (await intake.stored(database, designer.environment_id)).sections[0].questions[
        1
    ].choices == ("SILVER", "GOLD")


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"name": "pain"}, "The name pain is used before."),
        ({"label": "", "name": ""}, "This must not be blank."),
        ({"kind": "scale", "low": "x", "high": "5"}, "Write a number, such as 10 or 2.5."),
        ({"kind": "integer", "low": "9", "high": "5"}, "High must be above low."),
        ({"kind": "choice"}, "Choices is missing; the kind choice needs it."),
        (
            dict(condition("pain", "above", "10")),
            "This never holds: the highest answer to pain is 10.",
        ),
        (dict(condition("pain", "above", "")), "Choose what its answer must be."),
        (dict(condition("place", "includes")), "Choose what its answer must be."),
        (dict(condition("pain", "")), "Choose what its answer must be."),
        (dict(condition("gone", "is", "x")), "There is no question gone in this assessment"),
    ],
)
async def test_what_is_wrong_with_a_question_is_told_and_not_saved(
    designer: Person, base: str, database: Database, values: Mapping[str, str], text: str
) -> None:
    before = await intake.stored(database, designer.environment_id)
    answer = await send(
        designer,
        base,
        "question.1.3",
        **{"label": "New one", "name": "new_one", "kind": "text", **values},
    )
    assert answer.status_code == 422
    errors = [paragraph for paragraph in Document(answer).all("paragraph") if text in paragraph]
    assert [error.attribute("class") for error in errors][:1] == ["error"]
    assert not Document(answer).mentions("one_of")
    assert await intake.stored(database, designer.environment_id) == before


async def test_a_choice_that_is_reworded_is_reworded_where_follow_ups_wait_for_it(
    designer: Person, base: str, database: Database
) -> None:
    before = await intake.stored(database, designer.environment_id)
    last = len(before.sections[1].questions)
    waits = {"kind": "text", "shown_when.question": "plan"}
    for at, name, values in ((0, "one", condition("plan", "is", "GOLD")), (1, "two", EITHER)):
        answer = await send(
            designer, base, f"question.1.{last + at}", *values, label=name, name=name, **waits
        )
        assert answer.status_code == 200, answer.text
        base = re.search(r'name="base" value="(-?\d+)"', answer.text)[1]  # type: ignore[index]
    reworded = choices(("SILVER", ""), ("PLATINUM", "2"))
    answer = await send(designer, base, "question.0.1", *reworded, **PLAN)
    assert answer.status_code == 200, answer.text
    after = await intake.stored(database, designer.environment_id)
    assert after.sections[0].questions[1].points == {"PLATINUM": 2}
    conditions = [question.shown_when for question in after.sections[1].questions[last:]]
    assert [(condition.equals, condition.one_of) for condition in conditions if condition] == [
        ("PLATINUM", ()),
        (None, ("SILVER", "PLATINUM")),
    ]


async def test_a_kind_shows_only_what_goes_with_it(designer: Person, base: str) -> None:
    for kind, visible, hidden in (
        ("choice", "Choices, with points", "Lowest"),
        ("scale", "Weight in the score", "Choices"),
        ("boolean", "Points for yes", "Lowest"),
        ("text", "Help", "Points"),
    ):
        answer = await send(
            designer, base, "question.1.3", label="A new one", name="typed", kind=kind, do="redraw"
        )
        assert answer.status_code == 200
        names = {each.name for role in ("textbox", "group") for each in Document(answer).all(role)}
        assert visible in names, kind
        assert not [name for name in names if hidden in name], kind
        assert "yes" in [
            node.attributes["data-changed"] for node in Document(answer).node.css("[data-changed]")
        ]
        assert Document(answer).field("name").value == "typed"


@pytest.mark.parametrize(
    ("waits_for", "tests"),
    [
        ("pain", {"is", "above", "at_least", "below", "at_most", "answered"}),
        ("place", {"includes", "answered"}),
        ("plan", {"is", "one_of", "answered"}),
        ("call", {"is", "answered"}),
    ],
)
async def test_only_the_tests_that_fit_the_question_asked_about_are_offered(
    designer: Person, base: str, waits_for: str, tests: set[str]
) -> None:
    answer = await send(
        designer,
        base,
        "question.1.3",
        label="A new one",
        kind="text",
        do="redraw",
        **dict(condition(waits_for, "")),
    )
    [offered] = re.findall(r'<select id="shown_when:test".*?</select>', answer.text, re.DOTALL)
    assert set(re.findall(r'value="(\w+)"', offered)) == tests


async def test_a_question_may_not_wait_for_one_that_waits_for_it(
    designer: Person, base: str
) -> None:
    page = await designer.fragment(f"{PATH}?open=question.1.0")
    [offered] = re.findall(r'<select id="shown_when.question".*?</select>', page.text, re.DOTALL)
    assert set(re.findall(r'value="(\w*)"', offered)) == {"", "insurer", "plan", "call"}


async def test_each_sort_of_condition_is_kept_as_the_api_compares_it(
    designer: Person, base: str, database: Database
) -> None:
    for waits_for, test, sent, attribute, stored in (
        ("call", "is", ("no",), "equals", False),
        ("pain", "at_most", ("4",), "at_most", 4),
        ("plan", "one_of", ("SILVER", "GOLD"), "one_of", ("SILVER", "GOLD")),
        ("place", "includes", ("Back",), "includes", ("Back",)),
        ("insurer", "answered", (), "answered", True),
    ):
        pairs = [("shown_when.is:sort", "truth"), *condition(waits_for, test, *sent)]
        answer = await send(
            designer, base, "question.1.3", *pairs, label=f"On {waits_for}", kind="text"
        )
        assert answer.status_code == 200, answer.text
        added = (await intake.stored(database, designer.environment_id)).questions[-1]
        assert added.shown_when is not None
        assert getattr(added.shown_when, attribute) == stored
        [base] = re.findall(r'name="base" value="(\d+)"', answer.text)[:1]


async def test_who_waits_for_a_question_follows_its_name(
    designer: Person, base: str, database: Database
) -> None:
    values = {
        "label": "Pain?",
        "name": "pain_now",
        "kind": "scale",
        "low": "0",
        "high": "10",
        "weight": "1",
    }
    assert (await send(designer, base, "question.1.0", **values)).status_code == 200
    stored = await intake.stored(database, designer.environment_id)
    condition = stored.sections[1].questions[1].shown_when
    assert condition is not None
    assert condition.question == "pain_now"
    assert (await intake.stored(database, designer.environment_id, "other")).questions[
        0
    ].name == "pain"
    assert await intake.charted(database, designer.environment_id) == ["pain_now"]


async def test_moving_up_takes_the_follow_ups_along_and_tells_where_it_is(
    designer: Person, base: str, database: Database
) -> None:
    answer = await send(designer, base, "rows", up="question.1.2")
    assert Document(answer).status("Shall we call? is moved. Now number 1 in Health.")
    assert Document(answer).focus == "up-1-0"
    stored = await intake.stored(database, designer.environment_id)
    assert [question.name for question in stored.sections[1].questions] == ["call", "pain", "place"]


async def test_the_first_of_a_section_moves_up_into_the_one_before(
    designer: Person, base: str, database: Database
) -> None:
    await send(designer, base, "rows", up="question.1.0")
    stored = await intake.stored(database, designer.environment_id)
    assert [[question.name for question in section.questions] for section in stored.sections] == [
        ["insurer", "plan", "pain", "place"],
        ["call"],
    ]


async def test_the_order_after_dragging_is_saved_whole_or_not_at_all(
    designer: Person, base: str, database: Database
) -> None:
    items = [
        "section",
        "question.0.1",
        "section",
        "question.1.2",
        "question.0.0",
        "question.1.0",
        "question.1.1",
    ]
    answer = await send(designer, base, "rows", *(("item", item) for item in items), do="order")
    assert answer.status_code == 200, answer.text
    stored = await intake.stored(database, designer.environment_id)
    assert [question.name for question in stored.questions] == [
        "plan",
        "call",
        "insurer",
        "pain",
        "place",
    ]
    short = await send(designer, base, "rows", *(("item", item) for item in items[:-1]), do="order")
    assert short.status_code == 404
    assert await intake.stored(database, designer.environment_id) == stored


async def test_removing_says_what_waits_for_it(
    designer: Person, base: str, database: Database
) -> None:
    page = await designer.fragment(f"{PATH}?open=question.1.0")
    asked = Document(page).button("Remove").attribute("hx-confirm")
    assert "“Where does it hurt?” waits for its answer and will need another condition." in asked
    answer = await send(designer, base, "question.1.0", do="remove")
    assert Document(answer).row("There is no question pain in this assessment")
    stored = await intake.stored(database, designer.environment_id)
    assert [question.name for question in stored.sections[1].questions] == ["place", "call"]


async def test_sections_are_added_reworded_moved_and_removed(
    designer: Person, base: str, database: Database
) -> None:
    async def did(part: str, **values: str) -> None:
        nonlocal base
        answer = await send(designer, base, part, **values)
        assert answer.status_code == 200, answer.text
        [base] = re.findall(r'name="base" value="(\d+)"', answer.text)[:1]

    await did("section.2", heading="Home", description="Where you live.", footer="")
    await did("section.0", heading="Your insurance", description="", footer="Keep the card.")
    await did("rows", up="section.2")
    await did("section.2", do="remove")
    stored = await intake.stored(database, designer.environment_id)
    assert [(section.heading, len(section.questions)) for section in stored.sections] == [
        ("Your insurance", 2),
        ("Home", 0),
    ]
    assert stored.sections[0].footer == "Keep the card."
    answer = await send(
        designer, base, "section.1", heading="Your insurance", description="", footer=""
    )
    assert answer.status_code == 422
    assert "The heading Your insurance is used before." in Document(answer).field("heading").error


async def test_a_new_id_is_where_one_goes_on(
    designer: Person, base: str, database: Database
) -> None:
    taken = await send(
        designer, base, "about", id="other", name="Intake", title="", audience="coach"
    )
    assert taken.status_code == 422
    assert "The id other is used before." in Document(taken).field("id").error
    values = {
        "id": "first/intake",
        "name": "First intake",
        "title": "Welcome",
        "audience": "coach_and_patient",
    }
    answer = await send(designer, base, "about", **values)
    assert answer.headers["hx-redirect"] == "/workshop/assessments/first%2Fintake"
    page = await designer.get("/workshop/assessments/first%2Fintake")
    assert "First intake" in Document(page).region("First intake")
    assert "filled in by a coach and the patient" in Document(page).region("First intake")


async def test_the_score_tells_its_ends_and_what_its_bands_leave_out(
    designer: Person, base: str, database: Database
) -> None:
    page = Document(await designer.get(PATH))
    assert "2 questions count: the lowest score is 0, the highest 12." in page.region("Score")
    assert "No band holds the scores 4 to 5." in page.region("Score")
    rows = [("scoring:given", "on")]
    for number, band in enumerate((("mild", "0", "6"), ("severe", "6", "12"))):
        rows.append(("scoring.bands:item", str(number)))
        rows += zip(
            (f"scoring.bands.{number}.{key}" for key in ("name", "low", "high")), band, strict=True
        )
    wrong = await send(designer, base, "scoring", *rows)
    assert wrong.status_code == 422
    assert Document(wrong).row("this one overlaps mild")
    assert "mild and severe overlap" in Document(wrong).region("Score")
    rows[7] = ("scoring.bands.1.low", "7")
    right = await send(designer, base, "scoring", *rows)
    assert right.status_code == 200
    assert not Document(right).mentions("No band holds")
    scoring = (await intake.stored(database, designer.environment_id)).scoring
    assert scoring is not None
    assert [(band.name, band.low, band.high) for band in scoring.bands] == [
        ("mild", 0, 6),
        ("severe", 7, 12),
    ]


async def test_the_preview_asks_follow_ups_and_counts(designer: Person, base: str) -> None:
    calm = await preview(designer, base, **{"preview-pain": "3"})
    assert Document(calm).lacks("group", "Where does it hurt?")
    assert Document(calm).testid("score").words == "score 3 · mild"
    sore = await preview(designer, base, **{"preview-pain": "9", "preview-plan": "GOLD"})
    assert Document(sore).get("group", "Where does it hurt?")
    assert Document(sore).testid("score").words == "score 11 · severe"


async def test_the_preview_shows_what_is_not_saved_yet(
    designer: Person, base: str, database: Database
) -> None:
    fields = {"part": "question.0.1", "label": "Which metal?", "name": "plan", "kind": "choice"}
    pairs = choices(("BRONZE", "5"), ("", "x"))
    preview_ = await preview(designer, base, *pairs, **fields, **{"preview-plan": "BRONZE"})
    assert Document(preview_).get("radiogroup", "Which metal?")
    assert Document(preview_).testid("score").words == "score 5"
    assert not Document(preview_).mentions("GOLD")
    assert (await intake.stored(database, designer.environment_id)).sections[0].questions[
        1
    ].label == "Which plan?"


async def test_finishing_the_preview_says_what_would_not_be_accepted(
    designer: Person, base: str
) -> None:
    blank = await preview(designer, base, do="finish", **{"preview-pain": "99"})
    assert "This must be answered." in Document(blank).field("preview-insurer").error
    assert "Give a whole number from 0 to 10." in Document(blank).field("preview-pain").error
    assert Document(
        await preview(designer, base, do="finish", **{"preview-insurer": "Acme"})
    ).status("The preview keeps nothing")


async def test_two_designers_on_two_questions_are_both_kept(
    designer: Person, base: str, database: Database
) -> None:
    other = intake.program()
    other["assessments"][1]["sections"][1]["questions"][2] |= {"label": "May we call you?"}
    await intake.draft(database, designer.environment_id, other)
    answer = await send(
        designer,
        base,
        "question.0.0",
        label="Your insurer?",
        name="insurer",
        kind="text",
        required="on",
    )
    assert answer.status_code == 200
    assert Document(answer).status("Lesley Jones changed Assessments meanwhile; both are kept.")
    stored = await intake.stored(database, designer.environment_id)
    assert [stored.questions[0].label, stored.questions[4].label] == [
        "Your insurer?",
        "May we call you?",
    ]


async def test_two_designers_on_one_label_are_asked_which_stays(
    designer: Person, base: str, database: Database
) -> None:
    other = intake.program()
    other["assessments"][1]["sections"][0]["questions"][0] |= {"label": "Theirs?"}
    await intake.draft(database, designer.environment_id, other)
    asked = await send(
        designer, base, "question.0.0", label="Mine?", name="insurer", kind="text", required="on"
    )
    assert asked.status_code == 409
    assert Document(asked).get("radio", "Theirs?")
    assert Document(asked).get("radio", "Mine?")
    assert (await intake.stored(database, designer.environment_id)).questions[0].label == "Theirs?"
    hidden: list[tuple[str, str]] = re.findall(
        r'<input type="hidden" name="([^"]*)" value="([^"]*)">', asked.text
    )
    [path] = re.findall(r'name="(choose:[^"]*)" value="mine"', asked.text)
    sent = [pair for pair in hidden if pair[0] not in ("csrf", "form_token")]
    chosen = await designer.send_form(SEND, *sent, (path.replace("&#34;", '"'), "mine"))
    assert (chosen.status_code, chosen.headers["location"]) == (303, PATH)
    assert (await intake.stored(database, designer.environment_id)).questions[0].label == "Mine?"


async def test_an_empty_assessment_says_how_to_begin(designer: Person, database: Database) -> None:
    await intake.draft(
        database, designer.environment_id, intake.program({"id": "intake", "name": "Intake"})
    )
    assert "Begin with a section" in Document(await designer.get(PATH)).testid("empty")
    empty: dict[str, Any] = {"id": "intake", "name": "Intake", "sections": [{"heading": ""}]}
    await intake.draft(database, designer.environment_id, intake.program(empty))
    assert Document(await designer.get(PATH)).link("Add the first question")


async def test_what_is_gone_is_said_to_be_gone(designer: Person, base: str) -> None:
    assert (await designer.get("/workshop/assessments/gone")).status_code == 404
    for part in (
        "question.9.0",
        "question.0.9",
        "section.9",
        "rows.1",
        "question.-1.0",
        "nothing",
        "question.0",
    ):
        assert (await send(designer, base, part)).status_code == 404, part
    assert (await send(designer, "99999", "about")).status_code == 404
    assert (await send(designer, base, "rows", up="question.1.9")).status_code == 404


async def test_a_program_is_decoded_once_for_the_page_and_for_the_save(
    designer: Person, database: Database
) -> None:
    own = intake.program() | {"program": f"Program {designer.environment_id}"}
    base = await intake.draft(database, designer.environment_id, own)

    def decoded() -> int:
        return drafts.decoded_design.cache_info().misses

    before = decoded()
    assert (await designer.get(PATH)).status_code == 200
    assert decoded() == before + 1
    answer = await send(
        designer, base, "question.0.0", label="Whose card?", name="insurer", kind="text"
    )
    assert answer.status_code == 200
    assert decoded() == before + 1


async def test_only_designers_edit(people: People, designer: Person, base: str) -> None:
    async with await people(designer.environment_id, "coach") as coach:
        assert (await coach.get(PATH)).status_code == 403
        assert (await send(coach, base, "question.0.0", do="remove")).status_code == 403
        assert (await coach.send_form(PREVIEW, assessment="intake", base=base)).status_code == 403
