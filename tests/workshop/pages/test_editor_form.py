"""The forms of a program's parts: what is drawn and sent back is what was there."""

from __future__ import annotations

from collections.abc import Iterable
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from almoner.pages import parsing
from almoner.pages.render import Renderer
from almoner.pages.static_files import StaticFiles
from almoner.pages.visit import Form
from almoner.workshop import kiwi_health
from almoner.workshop.assessment_design import Assessment, Band, FieldDesign, Question
from almoner.workshop.checks import problems
from almoner.workshop.design import (
    AppointmentType,
    CareFlowTemplate,
    CustomDataType,
    Goal,
    Phase,
    ProgramDesign,
    Role,
    SidebarModule,
)
from almoner.workshop.goal_target import GoalTarget
from almoner.workshop.measure_checks import PATIENT_NUMBERS
from almoner.workshop.pages.editor.condition_values import condition_values, trigger_values
from almoner.workshop.pages.editor.controls import fields_of
from almoner.workshop.pages.editor.field_errors import placed
from almoner.workshop.pages.editor.form import blank, of_value, read, written
from almoner.workshop.pages.editor.items import acted
from almoner.workshop.pages.editor.member_control import MemberControl
from almoner.workshop.pages.editor.sources import sources
from almoner.workshop.process_design import CHOSEN, GROUPS, Process, ProcessCondition
from almoner.workshop.program_file import parse
from almoner.workshop.question_checks import TESTS
from almoner.workshop.shape import Member, members, walk
from almoner.workshop.trigger_design import Trigger
from tests.tries import tries

KIWI = parse(kiwi_health.source())
TEMPLATE = Renderer(StaticFiles(), ())._environment.from_string(
    '{% import "workshop/pages/editor/fields.html" as editor %}{{ editor.fields(controls) }}'
)


class Browser(HTMLParser):
    """What a browser would send of a form: the values of its controls, in order, buttons left
    out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[tuple[str, str]] = []
        self._area: tuple[str, list[str]] | None = None
        self._select: tuple[str, list[tuple[str, bool]]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        name = attributes.get("name") or ""
        if tag == "textarea":
            self._area = (name, [])
        elif tag == "select":
            self._select = (name, [])
        elif tag == "option" and self._select:
            self._select[1].append((attributes.get("value") or "", "selected" in attributes))
        elif tag == "input" and (
            attributes.get("type") not in ("checkbox", "radio") or "checked" in attributes
        ):
            self.pairs.append((name, attributes.get("value") or ""))

    def handle_data(self, data: str) -> None:
        if self._area:
            self._area[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._area:
            # A line end right after the tag is not part of the text (HTML, 13.1.2.5).
            self.pairs.append((self._area[0], "".join(self._area[1]).removeprefix("\n")))
            self._area = None
        elif tag == "select" and self._select:
            name, options = self._select
            self.pairs.append(
                (
                    name,
                    next(
                        (value for value, chosen in options if chosen),
                        options[0][0] if options else "",
                    ),
                )
            )
            self._select = None


def sent_back(controls: Iterable[MemberControl]) -> Form:
    """The form as a browser sends it after it was drawn, nothing touched."""
    browser = Browser()
    browser.feed(TEMPLATE.render(controls=controls))
    return Form(browser.pairs)


def through_a_form(part: Struct) -> Struct:
    read_back = read(
        sent_back(
            fields_of(type(part), written(part), {**sources(KIWI), **condition_values(KIWI)})
        ),
        type(part),
    )
    assert not read_back.errors
    return of_value(type(part), read_back.value)


LINE = (
    st.text(
        st.characters(exclude_categories=("C", "Z"), include_characters=" "),
        min_size=1,
        max_size=12,
    )
    .map(str.strip)
    .filter(bool)
)
NUMBER = st.one_of(st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False))
SCALAR = st.one_of(LINE, st.booleans(), NUMBER)


def value_of(member: Member, depth: int) -> st.SearchStrategy[Any]:
    """Any value that a member may have and a form can hold."""
    text = (
        st.sampled_from(member.choices)
        if member.choices
        else LINE
        if member.not_blank or member.required
        else st.one_of(st.just(""), LINE)
    )
    strategy: st.SearchStrategy[Any]
    if member.holds == "text":
        strategy = text
    elif member.holds == "texts":
        strategy = st.lists(
            st.sampled_from(member.choices) if member.choices else LINE, unique=True, max_size=4
        ).map(tuple)
    elif member.holds == "truth":
        strategy = st.booleans()
    elif member.holds == "whole":
        strategy = st.integers(member.least or 0, member.most or 9)
    elif member.holds == "number":
        strategy = NUMBER
    elif member.holds == "scalar":
        strategy = SCALAR
    elif member.holds == "numbers":
        strategy = st.dictionaries(LINE, NUMBER, max_size=3)
    else:
        assert member.struct is not None
        struct = member.struct
        part = st.deferred(lambda: parts(struct, depth - 1))
        strategy = (
            part
            if member.holds == "part"
            else st.lists(part, max_size=2 if depth > 0 else 0).map(tuple)
        )
    return st.one_of(st.none(), strategy) if member.may_be_none else strategy


def parts(struct: type[Struct], depth: int = 2) -> st.SearchStrategy[Any]:
    chosen_in, goes_with = CHOSEN.get(struct, ("", {}))
    others = {key for keys in goes_with.values() for key in keys}

    def build(values: dict[str, Any]) -> Struct:
        """With what goes with the word that is chosen: a form has nothing else."""
        hidden = others.difference(goes_with.get(values.get(chosen_in, ""), ()))
        if struct is ProcessCondition and values["of"] in GROUPS:
            hidden |= set(TESTS)
        left_out = {member.attribute for member in members(struct) if member.key in hidden}
        return struct(**{name: value for name, value in values.items() if name not in left_out})

    return st.fixed_dictionaries(
        {member.attribute: value_of(member, depth) for member in members(struct)}
    ).map(build)


STRUCTS = sorted({type(part) for _, part in walk(KIWI)}, key=lambda struct: struct.__name__)


@pytest.mark.slow
def test_every_part_of_the_demo_comes_back_from_its_form_as_it_was() -> None:
    for path, part in walk(KIWI):
        assert through_a_form(part) == part, path


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_whatever_a_part_holds_comes_back_from_its_form(struct: type[Struct]) -> None:
    @tries(25)
    @given(parts(struct))
    def check(part: Struct) -> None:
        assert through_a_form(part) == part

    check()


def test_a_member_that_is_new_in_a_declaration_is_in_its_form_without_a_word() -> None:
    class Taller(Phase, frozen=True, kw_only=True):
        height: int | None = None
        nicknames: tuple[str, ...] = ()

    controls = {field.name: field.control for field in fields_of(Taller, Form(()), {})}
    assert controls["height"] == "number"
    assert controls["nicknames"] == "lines"
    part = Taller(name="a", height=3, nicknames=("b", "c"))
    assert through_a_form(part) == part


def test_any_phase_and_no_phase_are_told_apart() -> None:
    for following in (None, (), ("graduated",), ("nowhere", "intake")):
        assert through_a_form(Phase(name="p", next=following)) == Phase(name="p", next=following)


def test_numbers_are_read_with_a_dot_and_anything_else_is_told_at_its_field() -> None:
    assert [parsing.number(text) for text in ("1.5", "2", "-3", "1e3", "7,5")] == [
        1.5,
        2,
        -3,
        1000.0,
        7.5,
    ]
    for text in (
        "1,5,2",
        "abc",
        "1_000",
        "inf",
        "nan",
        "1e999",
        "٣",
        "9" * 500,
        "99999999999999999999",
    ):
        with pytest.raises(ValueError, match="number"):
            parsing.number(text)
    part = read(Form([("name", "x"), ("minutes", "1,5")]), AppointmentType)
    assert part.errors == {"minutes": "A whole number is expected, such as 14."}
    assert read(Form([("name", "x"), ("minutes", "0")]), AppointmentType).errors == {
        "minutes": "A number from 1 to 1440 is expected."
    }
    for text in ("1.5", "soon", "14.0", "9" * 500):
        errors = read(Form([("name", "x"), ("minutes", text)]), AppointmentType).errors
        assert errors == {"minutes": "A whole number is expected, such as 14."}, text
    assert read(Form([("name", "x"), ("minutes", " ")]), AppointmentType).value["minutes"] is None
    assert set(read(Form([("low", ""), ("high", "")]), Band).errors) == {"low", "high"}


def test_what_cannot_be_a_value_is_told_and_stays_in_the_form() -> None:
    form = Form([("name", " "), ("may", "fly"), ("patients", ""), ("title", "нуль\x00")])
    part = read(form, Role)
    assert set(part.errors) == {"name", "may", "patients"}
    assert part.value["title"] == "нуль"
    assert part.errors["name"] == "This must not be blank."
    assert part.errors["patients"] == "Choose one of these."
    fields = {field.name: field for field in fields_of(Role, form, {}, errors=part.errors)}
    assert fields["may"].chosen == ("fly",)
    assert fields["may"].options[0].value == "fly"
    assert "shows" in read(Form([("title", "x")]), SidebarModule).errors


def test_a_nested_field_is_named_with_its_list_in_an_error() -> None:
    form = Form(
        [("name", "t"), ("fields:item", "7"), ("fields.7.name", "a"), ("fields.7.low", "x")]
    )
    assert set(read(form, CustomDataType).errors) == {"fields.7.low"}


def test_buttons_add_remove_and_move_items_and_keep_what_was_typed() -> None:
    flow = CareFlowTemplate(name="f", goals=(Goal(title="a"), Goal(title="b"), Goal(title="c")))
    form = Form([*written(flow).pairs, ("goals.1.title", "typed")])

    def titles(pressed: Form) -> list[str]:
        return [goal.get("title", "") for goal in read(pressed, CareFlowTemplate).value["goals"]]

    down = acted(form, "down:goals:0")
    assert (titles(down.form), down.focus) == (["typed", "a", "c"], "down:goals:0")
    assert titles(acted(form, "up:goals:2").form) == ["a", "c", "typed"]
    assert titles(acted(form, "up:goals:0").form) == ["a", "typed", "c"]
    removed = acted(form, "remove:goals:1")
    assert (titles(removed.form), removed.focus) == (["a", "c"], "remove:goals:2")
    added = acted(removed.form, "add:goals")
    assert (titles(added.form), added.focus) == (["a", "c", ""], "goals.3")
    nested = acted(added.form, "add:goals.3.interventions")
    assert len(read(nested.form, CareFlowTemplate).value["goals"][2]["interventions"]) == 1
    emptied = acted(
        acted(acted(form, "remove:goals:0").form, "remove:goals:1").form, "remove:goals:2"
    )
    assert (titles(emptied.form), emptied.focus) == ([], "add:goals")
    for nonsense in ("", "save", "up:goals:99", "explode:goals:1", "remove:nothing:0"):
        assert titles(acted(form, nonsense).form) == ["a", "typed", "c"]


def test_dragging_reorders_by_the_order_of_the_hidden_values_alone() -> None:
    form = written(CareFlowTemplate(name="f", goals=(Goal(title="a"), Goal(title="b"))))
    rest = [pair for pair in form.pairs if pair[0] != "goals:item"]
    dragged = Form([*rest, ("goals:item", "1"), ("goals:item", "0")])
    assert [goal["title"] for goal in read(dragged, CareFlowTemplate).value["goals"]] == ["b", "a"]


def test_problems_stand_at_the_fields_of_items_that_were_moved() -> None:
    fields = (
        FieldDesign(name="a", kind="text"),
        FieldDesign(name="b", kind="choice", choices=("GOLD", "GOLD")),
    )
    kind = CustomDataType(name="t", fields=fields)
    other = CustomDataType(name="noise", fields=(FieldDesign(name="x", kind="nonsense"),))
    design = ProgramDesign(name="p", custom_data_types=(other, kind))
    form = acted(written(kind), "up:fields:1").form
    moved = msgspec.structs.replace(
        design,
        custom_data_types=(other, of_value(CustomDataType, read(form, CustomDataType).value)),
    )
    at = placed(problems(moved), "custom_data_types[1]", form)
    assert at == {"fields.1.choices.1": "GOLD is listed before."}


def test_options_that_do_not_go_with_a_kind_are_left_out_unless_something_was_said() -> None:
    def names(*pairs: tuple[str, str]) -> set[str]:
        return {field.name for field in fields_of(Question, Form(pairs), sources(KIWI))}

    assert "choices" in names(("kind", "choice"))
    assert "low" not in names(("kind", "choice"))
    assert "low" in names(("kind", "scale"))
    assert "choices" not in names(("kind", "scale"))
    assert "choices" in names(("kind", "text"), ("choices:item", "0"), ("choices.0", "left over"))


def test_what_a_field_can_name_shows_titles_and_keeps_what_is_not_there() -> None:
    role = Role(name="r", hidden_data=("gone", "hcp"))
    field = next(
        field
        for field in fields_of(Role, written(role), sources(KIWI))
        if field.name == "hidden_data"
    )
    assert [option.title for option in field.options[:3]] == [
        "gone (not in the program)",
        "Health care provider",
        "Medication",
    ]
    assert through_a_form(role) == role
    assert through_a_form(Assessment(id="i", name="n", title="two\nlines")) == Assessment(
        id="i", name="n", title="two\nlines"
    )


def test_a_field_without_a_name_has_the_one_that_its_label_suggests_until_it_has_its_own() -> None:
    def name_of(*pairs: tuple[str, str]) -> str:
        name: str = read(Form([("kind", "text"), *pairs]), FieldDesign).value["name"]
        return name

    assert name_of(("label", "How old?"), ("name", "")) == "how_old"
    following = (("name", "how"), ("name:suggested", "yes"))
    assert name_of(("label", "How"), *following) == "how"
    assert name_of(("label", "How old?"), ("name", "age")) == "age"
    controls = {
        field.name: field
        for field in fields_of(FieldDesign, Form([("label", "How"), *following]), {})
    }
    assert (controls["label"].suggests, controls["name"].suggested) == ("name", True)


def test_what_people_read_comes_first_and_suggests_the_name_in_the_api() -> None:
    phase = fields_of(Phase, Form(()), {})
    assert [field.name for field in phase][:2] == ["title", "name"]
    assert (phase[0].suggests, phase[1].suggested) == ("name", True)
    sent = read(Form([("title", "Active coaching"), ("name", "")]), Phase)
    assert sent.value["name"] == "active_coaching"
    there = fields_of(Phase, written(Phase(name="intake", title="Intake")), {})
    assert not there[1].suggested
    # The title of an assessment stands above its form: coaches know it by its name.
    assessment = fields_of(Assessment, Form(()), {})
    assert [field.name for field in assessment][:2] == ["name", "id"]
    assert (assessment[0].suggests, assessment[1].suggested) == ("id", True)
    assert (
        read(Form([("name", "Sleep"), ("title", "Your nights")]), Assessment).value["id"] == "sleep"
    )


def test_what_holds_unless_somebody_says_otherwise_is_ticked_in_a_new_part() -> None:
    reminders = next(f for f in fields_of(Phase, blank(Phase), {}) if f.name == "reminders")
    assert reminders.present
    assert read(blank(Phase), Phase).value["reminders"]


def test_a_condition_of_a_process_offers_what_fits_what_it_looks_at() -> None:
    known = {**sources(KIWI), **condition_values(KIWI), **trigger_values(KIWI)}
    when = fields_of(Trigger, Form([("event", "date_reached")]), known)
    (date,) = [control for control in when if control.name == "field"]
    assert "birthday" in [option.value for option in date.options]

    def drawn(*pairs: tuple[str, str]) -> dict[str, MemberControl]:
        every = [("when.event", "assessment_finished"), ("when.assessment", "mood_check"), *pairs]
        (conditions,) = [
            control
            for part in fields_of(Process, Form(every), known)
            for control in part.fields
            if control.name == "if.all"
        ]
        controls = list(conditions.items[0].fields)
        for control in controls:
            controls += [inner for item in control.items for inner in item.fields]
        return {control.name: control for control in controls}

    item = ("if.all:item", "0")
    band = drawn(item, ("if.all.0.of", "band"))
    assert [option.value for option in band["if.all.0:test"].options] == [
        "is",
        "one_of",
        "answered",
    ]
    assert "needs follow-up" in [option.value for option in band["if.all.0.is"].options]
    phase = drawn(item, ("if.all.0.of", "patient"), ("if.all.0.field", "phase"))
    assert "intake" in [option.value for option in phase["if.all.0.is"].options]
    number = drawn(item, ("if.all.0.of", "score"), ("if.all.0:test", "at_least"))
    assert number["if.all.0.at_least"].control == "number"
    assert "if.all.0.is" not in number
    group = drawn(
        item,
        ("if.all.0.of", "any"),
        ("if.all.0.conditions:item", "0"),
        ("if.all.0.conditions.0.of", "consent"),
        ("if.all.0.conditions.0.field", "sms"),
    )
    assert "if.all.0:test" not in group
    inner = group["if.all.0.conditions.0.is"]
    assert [option.value for option in inner.options if option.value] == ["yes", "no"]
    # What the program does not know is not lost.
    unknown = drawn(item, ("if.all.0.of", "answer"), ("if.all.0.field", "x"), ("if.all.0.is", "3"))
    assert unknown["if.all.0.is"].text == "3"


@pytest.mark.parametrize("struct", [GoalTarget, SidebarModule])
def test_only_numbers_of_what_is_chosen_are_offered(struct: type[Struct]) -> None:
    def offered(of: str, key: str) -> list[str]:
        controls = fields_of(struct, Form([("of", of), ("shows", "chart")]), sources(KIWI))
        control = next(control for control in controls if control.member.key == key)
        return [option.value for option in control.options]

    assert offered("mood_check", "field")[0] == ""
    energy = offered("weekly_check_in", "field")
    assert "energy" in energy
    assert not {*energy} & {*offered("lab_result", "field")} - {""}
    # Where nothing is chosen yet, or the program does not know it, every number is.
    assert {*energy} - {""} < {*offered("", "field")}
    if struct is GoalTarget:
        assert {*offered("patient", "field")} - {""} == {*PATIENT_NUMBERS}
        assert "hba1c" in offered("lab_result", "choice")
