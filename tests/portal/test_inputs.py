"""The controls of declared fields: each kind is drawn with its value, and what a browser sends of
it is that value again.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from almoner.data_api.declare import ID, PATIENT, Resource, Verb
from almoner.errors import ApiError, Problem, problem
from almoner.pages.forms.problems import by_field
from almoner.pages.visit import Form
from almoner.portal.inputs import form_fields, inputs
from almoner.portal.workers import Worker
from almoner.vocabulary.choices import Choice, ProgramChoice, Several, State
from almoner.vocabulary.contact_kinds import Phone, ZipCode
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.fields import Field, FormSection
from almoner.vocabulary.kinds import (
    AnyObject,
    Boolean,
    Consent,
    Email,
    Guid,
    LongText,
    Ref,
    Text,
    Texts,
)
from almoner.vocabulary.numbers import Integer, Number
from almoner.vocabulary.times import IsoDate, IsoDateTime, Timezone

ADA = "8a6e0804-2bd0-4672-b79d-d97027f9071a"
# A field of each kind, its control, a value, and what a browser sends for it.
DRAWN: list[tuple[Field, str, Any, list[str]]] = [
    (Field("a", Text()), "text", "Ada", ["Ada"]),
    (Field("b", LongText()), "textarea", "one\ntwo", ["one\r\ntwo"]),
    (Field("c", Integer()), "number", 42, ["42"]),
    (Field("d", Number(0, 10)), "number", 2.5, ["2,5"]),
    (Field("e", Boolean()), "select", False, ["no"]),
    (Field("f", Boolean(), default=False), "checkbox", True, ["yes"]),
    (Field("g", IsoDate()), "date", "2026-03-08", ["2026-03-08"]),
    (
        Field("h", IsoDateTime()),
        "datetime-local",
        "2026-03-09T13:30:00.000000+00:00",
        ["2026-03-09T09:30"],
    ),
    (Field("i", Choice(("mild", "very_severe"))), "select", "very_severe", ["very_severe"]),
    (Field("j", Several(("x", "y", "z"))), "checkboxes", ["x", "z"], ["x", "z"]),
    (Field("k", ProgramChoice("phases")), "select", "intake", ["intake"]),
    (Field("l", Timezone()), "select", "America/New_York", ["America/New_York"]),
    (Field("m", Phone()), "tel", "415-555-0100", ["415-555-0100"]),
    (Field("n", Email()), "email", "ada@example.org", ["ada@example.org"]),
    (Field("o", State()), "select", "CA", ["CA"]),
    (Field("p", ZipCode()), "zip_code", "94115-4619", ["94115-4619"]),
    (Field("q", Texts()), "lines", ["one", "two"], ["one\r\n\r\n two"]),
    (Field("r", Ref("workers")), "select", ADA, [ADA]),
]
VISIT: Any = SimpleNamespace(
    program=Program(phases=("intake", "graduated"), titles={("phases", "intake"): "Intake"}),
    worker=SimpleNamespace(timezone="America/New_York"),
)
PEOPLE = [Worker(ADA, "Ada King", ())]


def test_each_kind_is_drawn_with_its_control_and_read_back_as_the_value_that_it_was() -> None:
    wrong = []
    for field, widget, value, sent in DRAWN:
        (input_,) = inputs([field], VISIT, PEOPLE)
        view = input_.view(value)
        texts = [*filter(None, (view.value,)), *view.chosen]
        if view.widget != widget:
            wrong.append(f"{field.kind}: drawn as {view.widget}")
        if [text.replace("\r\n", "\n") for text in sent] != texts and field.name not in "dq":
            wrong.append(f"{field.kind}: shows {texts}")
        if (read := input_.value(Form([(field.name, text) for text in sent]))) != value:
            wrong.append(f"{field.kind}: read as {read!r}")
        if (blank := input_.value(Form([(field.name, " ")]))) not in (None, True):
            wrong.append(f"{field.kind}: blank is {blank!r}")
    assert wrong == []


def test_what_nobody_touched_is_sent_back_exactly_as_it_was() -> None:
    (input_,) = inputs([Field("at", IsoDateTime())], VISIT)
    exact = "2026-03-09T13:30:59.123456+00:00"
    form = [("at", input_.view(exact).value), ("was.at", msgspec.json.encode(exact).decode())]
    assert input_.value(Form(form)) == exact
    assert (
        input_.value(Form([("at", "2026-03-09T09:31"), form[1]]))
        == "2026-03-09T13:31:00.000000+00:00"
    )


def test_choices_are_read_in_words_and_only_what_may_be_blank_has_a_blank() -> None:
    choice = Choice(("mild", "very_severe"), words=(("mild", "hardly"),))
    needed, optional = inputs([Field("a", choice, required=True), Field("b", choice)], VISIT)
    assert needed.view("mild").options == (("mild", "hardly"), ("very_severe", "Very severe"))
    assert (needed.view("mild").blank, optional.view("mild").blank) == ("", "not known")
    assert (needed.view(None).blank, needed.view(None).chosen) == ("Choose", ())
    (coach,) = inputs([Field("coach_id", Ref("workers"))], VISIT, PEOPLE)
    assert (coach.view(None).label, coach.view(None).options) == ("Coach", ((ADA, "Ada King"),))


def test_a_choice_that_nobody_made_yet_begins_with_its_default() -> None:
    (level,) = inputs([Field("level", Choice(("high", "low")), default="low")], VISIT)
    assert level.view(None).chosen == ("low",)
    assert level.view("high").chosen == ("high",)


def test_what_a_value_refers_to_and_is_not_there_is_refused_at_its_field() -> None:
    detail = "There is no worker with the id at .noted_by_id."
    missing = Problem("resource_not_found", detail, {"path": ".noted_by_id"})
    at_field = "This is not there any more. Choose another one."
    assert by_field(ApiError([missing])) == {"noted_by_id": at_field}
    with pytest.raises(ApiError):
        by_field(problem("not_found", "There is no allergy with this id."))


def test_a_form_has_the_fields_of_its_sections_and_nothing_that_is_not_typed() -> None:
    fields = (
        ID,
        Field("user_id", PATIENT),
        Field("kept", Text(), update=False),
        Field("other", Text(), section="first"),
        Field("late", Text(), create=False),
        Field("told", Consent(), default=False),
        Field("document", AnyObject()),
        Field("row", Guid()),
        Field("first_named", Text()),
    )
    sections = (FormSection("first", "First", ("first_named",)), FormSection("rest", "The rest"))
    resource = Resource(
        name="things",
        title="Things",
        singular="thing",
        about="",
        verbs=(Verb.GET,),
        fields=fields,
        sections=sections,
    )

    def drawn(**asked: Any) -> list[str]:
        return [input_.name for input_ in inputs(form_fields(resource, **asked), VISIT)]

    assert drawn(new=True) == ["first_named", "other", "kept"]
    assert drawn() == ["first_named", "other", "late"]
    assert drawn(section="rest", new=True) == ["kept"]
