"""Arbitrary programs that are right: of any shape that the types allow, then mended until nothing
is wrong with them.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from almoner.vocabulary.contact_kinds import is_blank
from almoner.workshop.assessment_design import Assessment, Band, Condition, Question, Scoring
from almoner.workshop.design import BUILT_IN_ROLES, MessageTemplate, ProgramDesign, SidebarModule
from almoner.workshop.field_kinds import FIELD_KINDS
from almoner.workshop.goal_target import GoalTarget, choosing
from almoner.workshop.process_design import (
    Process,
    ProcessAction,
    ProcessCondition,
    ProcessConditions,
    Wait,
    WorkingHours,
)
from almoner.workshop.question_checks import TESTS
from almoner.workshop.shape import Member, distinct, members
from almoner.workshop.trigger_design import Trigger

# What YAML takes for something else than text, and what breaks lines or ends scalars in one of its
# layouts.
AWKWARD = [
    *(
        "yes",
        "No",
        "null",
        "~",
        "true",
        "1",
        "1.5",
        "0x1F",
        "1e3",
        "12:30:00",
        "2020-01-01",
        ".inf",
        "<<",
        "=",
        "-",
        "?",
        ":",
    ),
    *(
        "",
        " ",
        " leading",
        "trailing ",
        "\n",
        "a\n",
        "a\n\n",
        "\na",
        "a\n b",
        "a \nb",
        "a\n\n\nb",
        "a\nb\n",
        "\ta",
        "a\tb",
    ),
    *(
        "# no comment",
        "a # b",
        "a: b",
        "- a",
        "{a}",
        "[a",
        "a]",
        "a, b",
        "'",
        '"',
        "\"a\" 'b'",
        "\\n",
        "> |",
    ),
    *(
        "%",
        "@",
        "`",
        "!a",
        "&a",
        "*a",
        "---",
        "...",
        "--- a",
        "a\n---\nb",
        "a\n...\n",
        "\r\n",
        "a\rb",
    ),
    *(
        "\x85",
        "a\x85b",
        "\u2028",
        "a\u2029b",
        "\ufeff",
        "\x7f",
        "\x1b",
        "\U0001f95d",
        "e\u0301",
        "好",
        "שלום",
        "\ufffe",
    ),
    *("word " * 40, ("word " * 40).strip(), "word  word" * 30, "x" * 300),
]
TEXTS = st.sampled_from(AWKWARD) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30
)
NUMBERS = (
    st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-5, 20)
)
SCALARS = TEXTS | NUMBERS | st.booleans()


def _is_visible(text: str) -> bool:
    return not is_blank(text)


def values(member: Member) -> st.SearchStrategy[Any]:
    """What a member may hold by its type alone."""
    text = st.sampled_from(member.choices) if member.choices else TEXTS
    if member.longest:
        text = text.map(lambda text_: text_[: member.longest])
    if member.not_blank:
        text = text.filter(_is_visible)
    holds: dict[str, Any] = {
        "text": text,
        "texts": st.lists(text.filter(_is_visible), max_size=3, unique=True).map(tuple),
        "truth": st.booleans(),
        "whole": st.integers(member.least, member.most),
        "number": NUMBERS,
        "scalar": SCALARS,
        "numbers": st.dictionaries(TEXTS, NUMBERS, max_size=3),
    }
    strategy: st.SearchStrategy[Any]
    if member.key == "conditions":
        return st.just(()) | st.just(
            (ProcessCondition(of="patient", field="phase", answered=True),)
        )
    if member.struct is None:
        strategy = holds[member.holds]
    else:
        strategy = parts(member.struct)
        if member.holds == "parts":
            strategy = st.lists(strategy, max_size=3).map(tuple)
    if member.key == "kind":
        strategy = st.sampled_from(list(FIELD_KINDS))
    return strategy | st.none() if member.may_be_none else strategy


def parts(struct: type[Struct]) -> st.SearchStrategy[Any]:
    required = {m.attribute: values(m) for m in members(struct) if m.required}
    optional = {m.attribute: values(m) for m in members(struct) if not m.required}
    return st.fixed_dictionaries(required, optional=optional).map(lambda values: struct(**values))


def mended(design: ProgramDesign) -> ProgramDesign:
    """The program with what refers to nothing, stands twice or does not go together left out or
    replaced.
    """
    fields: dict[str, Any] = {}
    for member in members(ProgramDesign):
        value = getattr(design, member.attribute)
        fields[member.attribute] = _unlike(value) if member.holds == "parts" else value
    fields["working_hours"] = WorkingHours(days=design.working_hours.days or ("monday",))
    fields["terminology"] = type(design.terminology)()
    fields["assessments"] = tuple(map(_assessment, fields["assessments"]))
    fields["custom_data_types"] = tuple(
        replace(t, fields=tuple(map(_field, _unlike(t.fields))))
        for t in fields["custom_data_types"]
    )
    fields["care_flows"] = tuple(
        replace(
            flow,
            goals=tuple(
                replace(g, interventions=_unlike(g.interventions)) for g in _unlike(flow.goals)
            ),
        )
        for flow in fields["care_flows"]
    )
    fields["message_templates"] = tuple(map(_template, fields["message_templates"]))
    fields["processes"] = tuple(map(_process, fields["processes"]))
    return _referring(ProgramDesign(**fields))


def _process(process: Process) -> Process:
    """The process with a trigger that needs nothing, and what of the rest can be right by
    itself.
    """
    return replace(
        process,
        when=Trigger(event="message_received"),
        conditions=ProcessConditions(
            every=tuple(
                ProcessCondition(of="consent", field="sms", equals=True, negated=condition.negated)
                for condition in process.conditions.every
            )
        ),
        wait=None
        if process.wait is None
        else Wait(days=process.wait.days, minutes=1, working_hours=process.wait.working_hours),
        actions=(ProcessAction(do="assign_coach", role="coach"),),
    )


def _unlike(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """The items of which each differs from those before it in all that must be distinct."""
    unique: list[Any] = []
    for item in items:
        struct: type[Struct] = type(item)
        names = distinct(struct)
        if all(
            getattr(item, n.attribute) != getattr(other, n.attribute)
            for other in unique
            for n in names
        ):
            unique.append(item)
    return tuple(unique)


def _field(field: Any) -> Any:
    kind = FIELD_KINDS[field.kind]
    changes: dict[str, Any] = {
        "choices": (field.choices or ("a", "b")) if "choices" in kind.takes else ()
    }
    changes |= {"low": None, "high": None} if "low" not in kind.takes else {"low": 0, "high": 10}
    if isinstance(field, Question):
        points = dict(zip(changes["choices"], field.points.values(), strict=False))
        changes["points"] = points if "points" in kind.takes else {}
        changes["weight"] = field.weight if "weight" in kind.takes else None
        changes["shown_when"] = None
    return replace(field, **changes)


def _assessment(assessment: Assessment) -> Assessment:
    """Follow-ups wait for the question before them; bands stand beside each other."""
    earlier: dict[str, Question] = {}
    sections = []
    for section in _unlike(assessment.sections):
        questions = []
        for question in section.questions:
            if question.name in earlier:
                continue
            whole = _field(question)
            if question.shown_when is not None and earlier:
                whole = replace(
                    whole,
                    shown_when=_condition(question.shown_when, next(reversed(earlier.values()))),
                )
            earlier[question.name] = whole
            questions.append(whole)
        sections.append(replace(section, questions=tuple(questions)))
    counts = any(question.points or question.weight is not None for question in earlier.values())
    scoring = assessment.scoring if counts else None
    if scoring is not None:
        named = [band for band in _unlike(scoring.bands) if _is_visible(band.name)]
        scoring = Scoring(
            bands=tuple(Band(name=b.name, low=3 * n, high=3 * n + 1.5) for n, b in enumerate(named))
        )
    return replace(assessment, sections=tuple(sections), scoring=scoring)


def _condition(condition: Condition, about: Question) -> Condition:
    answer = FIELD_KINDS[about.kind].answer
    usable = [name for name, (_, answers) in TESTS.items() if answer in answers]
    test = usable[len(condition.question) % len(usable)]
    is_value: Any = {
        "choice": about.choices[:1],
        "number": (5,),
        "truth": (condition.answered,),
    }.get(answer, ("yes",))
    values: dict[str, Any] = {
        "is": is_value[:1],
        "one_of": about.choices,
        "includes": about.choices,
        "answered": True,
    }
    value = values.get(test, 5)
    return Condition(question=about.name, **{TESTS[test][0]: value[0] if test == "is" else value})


def _template(template: MessageTemplate) -> MessageTemplate:
    body = template.body.replace("{{", "").replace("}}", "")
    return replace(template, body=body if _is_visible(body) else "Hello {{ patient.first_name }}")


def _referring(design: ProgramDesign) -> ProgramDesign:
    """The program whose parts name only what is there: everything of the group that they name, or
    nothing.
    """
    phases = tuple(phase.name for phase in design.phases)
    roles = tuple(role.name for role in (*BUILT_IN_ROLES, *design.roles))
    types, assessments = design.custom_data_types, design.assessments
    flows = [
        replace(flow, goals=tuple(
            replace(goal, target=_target(goal.target, design), interventions=tuple(
                replace(step, assignee=roles[-1] if step.assignee else "") for step in goal.interventions
            ))
            for goal in flow.goals
        ))
        for flow in design.care_flows
    ]  # fmt: skip
    return replace(
        design,
        phases=tuple(replace(phase, next=phase.next and phases) for phase in design.phases),
        roles=tuple(
            replace(
                role,
                hidden_data=role.hidden_data and tuple(t.name for t in types),
                hidden_assessments=role.hidden_assessments and tuple(a.id for a in assessments),
                hidden_notes=role.hidden_notes and tuple(t.name for t in design.note_types),
            )
            for role in design.roles
        ),
        care_flows=tuple(flows),
        sidebar=tuple(
            module for card in design.sidebar if (module := _module(card, design)) is not None
        ),
    )


def _module(module: SidebarModule, design: ProgramDesign) -> SidebarModule | None:
    if module.shows == "records":
        names = [t.name for t in design.custom_data_types if t.name]
        return replace(module, of=names[0], field="") if names else None
    if module.shows == "chart":
        number = _number(design)
        return replace(module, of=number[0], field=number[1]) if number else None
    return replace(module, of="", field="")


def _target(target: GoalTarget | None, design: ProgramDesign) -> GoalTarget | None:
    number = _number(design)
    if target is None or number is None:
        return None
    coded_by = next(
        (choosing(t.fields) for t in design.custom_data_types if t.name == number[0]), None
    )
    choice = coded_by.choices[0] if coded_by else ""
    return replace(target, of=number[0], field=number[1], choice=choice)


def _number(design: ProgramDesign) -> tuple[str, str] | None:
    """What measures by a number of a field, and that field; None where there is none."""
    fields_by_name: dict[str, Any] = {a.id: a.questions for a in design.assessments}
    fields_by_name = {t.name: t.fields for t in design.custom_data_types} | fields_by_name
    for name, fields in fields_by_name.items():
        numbers = [f.name for f in fields if FIELD_KINDS[f.kind].answer == "number"]
        if numbers:
            return name, numbers[0]
    return None


DESIGNS = parts(ProgramDesign).map(mended)
