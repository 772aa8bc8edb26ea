"""A part of a program as templates draw its form: which control each member has, with what was
typed and what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from msgspec import Struct

from almoner.pages.visit import Form
from almoner.workshop.assessment_design import Condition
from almoner.workshop.pages.editor.chosen_kind import (
    as_the_kind_says,
    goes_with_the_kind,
    is_left_out,
)
from almoner.workshop.pages.editor.condition_values import looked_at
from almoner.workshop.pages.editor.form import (
    PRESENT,
    SCALAR_TYPES,
    SUGGESTING,
    positions,
    suggested_name,
    under,
)
from almoner.workshop.pages.editor.member_control import Drawing, ListItem, MemberControl
from almoner.workshop.pages.editor.sources import Option, Sources, options_of, with_strays
from almoner.workshop.process_design import CONDITIONS, GROUPS, ProcessCondition
from almoner.workshop.question_checks import TESTS
from almoner.workshop.shape import Member, by_key, identity, members

# More than these are picked from a list that opens.
_MOST_RADIOS: Final = 4
_PLAIN_NAME: Final = re.compile(r"[a-z0-9_]+")
_ODD_NAME: Final = "Programs expect small letters, digits and underscores."


def fields_of(
    struct: type[Struct],
    form: Form,
    known: Sources,
    prefix: str = "",
    errors: Mapping[str, str] | None = None,
) -> tuple[MemberControl, ...]:
    """The controls of a part, in the order of its declaration; what people read first, whose words
    suggest a name.

    Options that do not go with the kind of a field are left out.
    """
    return _fields(struct, prefix, Drawing(form, known, errors or {}))


def _fields(struct: type[Struct], prefix: str, drawing: Drawing) -> tuple[MemberControl, ...]:
    if struct is ProcessCondition:
        return tuple(_process_condition(prefix, drawing))
    words, named = _suggesting(struct)
    controls = [
        _control(
            struct,
            as_the_kind_says(struct, member, drawing.form, prefix),
            under(prefix, member.key),
            drawing,
        )
        for member in sorted(members(struct), key=lambda member: member.key != words)
        if not is_left_out(struct, member, drawing.form, prefix)
    ]
    return tuple(
        replace(control, suggests=under(prefix, named)) if control.member.key == words else control
        for control in controls
    )


def _suggesting(struct: type[Struct]) -> tuple[str, str]:
    """The member whose words suggest a name, and that of the name; blank where it has none."""
    keys = {member.key: member.widget for member in members(struct)}
    for named, of in SUGGESTING.items():
        words = next((key for key in of if key in keys), "")
        if words and keys.get(named) == "code":
            return words, named
    return "", ""


def _control(struct: type[Struct], member: Member, name: str, drawing: Drawing) -> MemberControl:
    form, error = drawing.form, drawing.errors.get(name, "")
    present = (
        not member.may_be_none
        or form.text(f"{name}:given") == PRESENT
        or form.truth(f"{name}:given")
    )
    text = form.text(name, member.default if isinstance(member.default, str) else "")
    plain = MemberControl(
        name=name, control="text", member=member, error=error, text=text, present=present
    )
    if (
        member.widget == "condition"
        and _tests_that_fit(Condition) in drawing.sources
        and _tests_in(form, name) < 2
    ):
        return replace(plain, control="condition", fields=tuple(_condition(name, drawing)))
    if member.struct is not None and member.holds == "part":
        return replace(plain, control="part", fields=_fields(member.struct, name, drawing))
    if member.holds == "parts":
        return replace(
            plain, control="parts", noun=singular(member), items=_items(member, name, drawing)
        )
    if member.widget == "rows":
        return replace(
            plain, control="rows", noun=singular(member), items=_rows(struct, member, name, drawing)
        )
    if member.holds == "truth":
        return replace(plain, control="tick", text="", present=form.truth(name))
    if member.holds == "texts":
        options = options_of(struct, member, drawing.sources)
        if not (member.names or member.choices or options):
            return replace(plain, control="lines")
        chosen = tuple(text for text in form.texts(name) if text)
        return replace(
            plain,
            control="boxes",
            text="",
            chosen=chosen,
            options=with_strays(chosen, options, first=True),
        )
    if member.holds == "scalar":
        return _scalar(struct, plain, drawing)
    if member.holds in ("whole", "number"):
        return replace(plain, control="number", redraws=member.widget == "redraws")
    return (
        replace(plain, control="numbers")
        if member.holds == "numbers"
        else _text(struct, plain, drawing)
    )


_SCALAR_OPTIONS: Final = tuple(
    Option(name, title)
    for name, title in zip(SCALAR_TYPES, ("Nothing", "Text", "Number", "Yes or no"), strict=True)
)


def _scalar(struct: type[Struct], plain: MemberControl, drawing: Drawing) -> MemberControl:
    """A value that may be of several types: of the one that is known here, else with the choice of
    one.
    """
    member = plain.member
    types = drawing.sources.get(f"{struct.__name__}.{member.key}:type")
    if types is None:
        return replace(
            plain,
            control="scalar",
            scalar_type=drawing.form.text(f"{plain.name}:sort"),
            options=_SCALAR_OPTIONS,
        )
    control = replace(plain, scalar_type=types[0].value)
    if types[0].value == "number":
        return replace(control, control="number")
    return _text(struct, control, drawing)


def _text(struct: type[Struct], plain: MemberControl, drawing: Drawing) -> MemberControl:
    member, text = plain.member, plain.text
    of = drawing.form.text(under(plain.name.rpartition(".")[0], "of"))
    options = options_of(struct, member, drawing.sources, of)
    if options or member.names:
        if member.choices and (len(options) <= _MOST_RADIOS or member.widget == "swatches"):
            return replace(plain, control="radios", chosen=(text,), options=options)
        is_complete = (member.choices and text) or any(not option.value for option in options)
        blank = () if is_complete else (Option("", "Choose" if member.required else "None"),)
        every = blank + with_strays((text,) if text else (), options)
        return replace(plain, control="select", options=every, redraws=member.widget == "redraws")
    if member.widget == "textarea" or "\n" in text:
        return replace(plain, control="textarea")
    if member.widget != "code":
        return plain
    is_odd = bool(text.strip()) and not _PLAIN_NAME.fullmatch(text.strip())
    follows = not text.strip() or suggested_name(drawing.form, plain.name) == text
    return replace(
        plain,
        control="code",
        remark=_ODD_NAME if is_odd else "",
        suggested=follows and member.key == _suggesting(struct)[1],
    )


def _items(member: Member, name: str, drawing: Drawing) -> tuple[ListItem, ...]:
    assert member.struct is not None
    titles = by_name(member.struct)
    controls = []
    for number in positions(drawing.form, name):
        at = f"{name}.{number}"
        title = next(
            (text for key in titles if (text := drawing.form.text(under(at, key)).strip())), ""
        )
        controls.append(
            (
                number,
                title or f"New {singular(member)}",
                drawing.errors.get(at, ""),
                _fields(member.struct, at, drawing),
            )
        )
    return _listed(name, controls)


def _rows(
    struct: type[Struct], member: Member, name: str, drawing: Drawing
) -> tuple[ListItem, ...]:
    """The texts of a list, each with the numbers that stand beside it."""
    form, errors = drawing.form, drawing.errors
    prefix = name.removesuffix(member.key).removesuffix(".")
    beside = [
        column
        for column in members(struct)
        if column.beside == member.key and goes_with_the_kind(struct, column.key, form, prefix)
    ]
    controls = []
    for number in positions(form, name):
        at = f"{name}.{number}"
        names = {at: member} | {f"{at}:{column.key}": column for column in beside}
        fields = tuple(
            MemberControl(
                name=key,
                control="text",
                member=column,
                error=errors.get(key, ""),
                text=form.text(key),
            )
            for key, column in names.items()
        )
        controls.append(
            (
                number,
                form.text(at),
                " ".join(filter(None, (field.error for field in fields))),
                fields,
            )
        )
    return _listed(name, controls)


def _listed(
    name: str, controls: list[tuple[str, str, str, tuple[MemberControl, ...]]]
) -> tuple[ListItem, ...]:
    """The items of a list: number, title, error and fields of each."""
    return tuple(
        ListItem(
            at=f"{name}.{number}",
            number=number,
            title=title,
            error=error,
            fields=fields,
            place=place,
            is_first=place == 1,
            is_last=place == len(controls),
        )
        for place, (number, title, error, fields) in enumerate(controls, 1)
    )


def _tests_that_fit(struct: type[Struct]) -> str:
    """Where sources have the tests that fit what a condition names."""
    return f"{struct.__name__}:tests"


def condition_sources(
    questions: tuple[Option, ...],
    tests: Iterable[str],
    choices: tuple[Option, ...],
    compared: Option,
) -> Sources:
    """What a condition can be made of: the questions, the tests that fit the one that is named, its
    choices.

    ``compared`` is the type of the values that its answer is compared with, and a hint at them.
    """
    return {
        "Condition.question": questions,
        **_test_sources(Condition, tests, choices, compared),
    }


def _test_sources(
    struct: type[Struct], tests: Iterable[str], choices: tuple[Option, ...], compared: Option
) -> Sources:
    titles, of = by_key(struct), struct.__name__
    return {
        _tests_that_fit(struct): tuple(Option(test, titles[test].title) for test in tests),
        f"{of}.is": choices,
        f"{of}.is:type": (compared,),
        f"{of}.one_of": choices,
        f"{of}.includes": choices,
    }


def _tests_in(form: Form, name: str) -> int:
    return (
        sum(bool(form.text(under(name, test))) for test in TESTS)
        if f"{name}:test" not in form
        else 0
    )


def _condition(name: str, drawing: Drawing) -> Iterable[MemberControl]:
    """The question that decides, the test, and what its answer is tested with."""
    question = replace(by_key(Condition)["question"], description="", required=False)
    yield replace(_control(Condition, question, f"{name}.question", drawing), redraws=True)
    yield from _test(Condition, name, drawing)


def _test(struct: type[Struct], name: str, drawing: Drawing) -> Iterable[MemberControl]:
    """One of the tests that fit, and what is tested with; what is wrong with the whole stands at
    the last.
    """
    form, declared, tests = drawing.form, by_key(struct), drawing.sources[_tests_that_fit(struct)]
    if not tests:
        return
    present = (test for test in TESTS if form.text(under(name, test)))
    fitting = [test.value for test in tests]
    test = next(
        (test for test in (form.text(f"{name}:test"), *present) if test in fitting), fitting[0]
    )
    error, answered = drawing.errors.get(name, ""), test == "answered"
    title = "Its answer" if struct is Condition else "Test"
    how = replace(declared["is"], title=title, description="")
    yield MemberControl(
        name=f"{name}:test",
        control="select",
        member=how,
        text=test,
        options=tests,
        redraws=True,
        error=error if answered else "",
    )
    if not answered:
        hint = drawing.sources[f"{struct.__name__}.is:type"][0].title
        value = replace(declared[test], title=declared[test].title.capitalize(), description=hint)
        control = _control(struct, value, under(name, test), drawing)
        yield replace(control, error=control.error or error)


def _process_condition(name: str, drawing: Drawing) -> Iterable[MemberControl]:
    """What is looked at; of a value one of the tests that fit it, of a group what is in it. Where
    the program does not know the value, every test.
    """
    form, declared = drawing.form, by_key(ProcessCondition)
    fields, compared = looked_at(form, name, drawing.sources)
    sources = {**drawing.sources, "ProcessCondition.field": fields}
    known = compared is not None and _tests_in(form, name) < 2
    if compared is not None:
        (kind, _), *choices = compared
        tests = [test for test, (_, fit) in TESTS.items() if kind in fit]
        compared_as = Option(kind if kind in ("number", "truth") else "text", "")
        sources |= _test_sources(ProcessCondition, tests, tuple(choices), compared_as)
    drawing = replace(drawing, sources=sources)
    of = form.text(under(name, "of"))
    for key in ("of", *CONDITIONS.get(of, ())):
        control = _control(ProcessCondition, declared[key], under(name, key), drawing)
        yield replace(control, redraws=control.control in ("select", "code"))
    if known:
        yield from _test(ProcessCondition, name, drawing)
    elif of not in GROUPS and (compared is not None or _tests_in(form, name)):
        for key in TESTS:
            yield _control(ProcessCondition, declared[key], under(name, key), drawing)
    yield _control(ProcessCondition, declared["not"], under(name, "not"), drawing)


def by_name(struct: type[Struct]) -> tuple[str, ...]:
    """The keys of the members that people know a part by, the best first: its label or title, then
    what identifies it.
    """
    return tuple(key for key in ("label", "title", identity(struct)) if key in by_key(struct))


def singular(member: Member) -> str:
    """What an item of a list is called in a sentence."""
    return member.title.lower().removesuffix("s")
