"""The bodies that the OpenAPI document describes are those that the decoder takes: generated, in
both directions and shapes.
"""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from almoner.data_api import decode
from almoner.data_api import describe_examples as examples
from almoner.data_api import describe_schemas as schemas
from almoner.data_api.declare import Resource, Verb
from almoner.data_api.nested import NewRows
from almoner.errors import Problem
from almoner.resources import RESOURCES
from almoner.vocabulary.contact_kinds import Name
from almoner.vocabulary.fields import Field, ListOf, Object, Shape
from almoner.vocabulary.kinds import AnyObject, Kind, Problems
from almoner.vocabulary.times import IsoDateTime, Timezone, iso
from tests.tries import tries

pytestmark = pytest.mark.house

# What the decoder takes in more notations than it answers with (clarifications 11, 14, 15, 21), and
# the document describes the one that it answers with. In that direction they are compared by a
# value in that notation.
LENIENT = {
    "isodatetime",
    "birthday",
    "phone",
    "e164_phone",
    "zip_code",
    "guid",
    "boolean_or_word",
    "state",
    "enum",
    "gender",
    "timezone",
    "name",
}
ANY = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 12),
    st.sampled_from([7.0, 0.5, 2**63, -(2**63) - 1, 10**400, 1e300, 12.0]),
    st.sampled_from(
        [
            "",
            " ",
            "a",
            "a\x00b",
            "\x00",
            "a\n",
            "é" * 321,
            "94110",
            "2024-02-30",
            "0000-01-01",
            "2024-02-29",
        ]
    ),
    st.sampled_from(
        [
            "2016-12-31T23:59:60Z",
            "2024-01-01T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "true",
            "CA",
            "call",
        ]
    ),
    st.sampled_from([[], {}, ["a"], ["a", "\x00"], [None], [1], {"a": 1}, {"a": "\x00"}]),
    st.text(max_size=4),
)


def offered(resource: Resource, verb: Verb, shape: Shape) -> dict[str, Field]:
    """The names that a body may have, with their fields."""
    return {
        name: f
        for name, f in resource.spelled[shape].names.items()
        if verb is Verb.CREATE or f.returned or f.update
    }


@st.composite
def bodies(draw: st.DrawFn, resource: Resource, verb: Verb, shape: Shape) -> dict[str, Any]:
    """The example of a body with one or two things changed: most others would be refused for ten
    reasons at once.
    """
    sample = (
        examples.create_body(resource, True, shape)
        if verb is Verb.CREATE
        else examples.update_body(resource, shape)
    )
    body: dict[str, Any] = json.loads(json.dumps(sample))
    names = offered(resource, verb, shape)
    for _ in range(draw(st.integers(1, 2))):
        name = draw(st.sampled_from(sorted(names)))
        how = draw(st.integers(0, 9))
        if how == 0:
            body.pop(name, None)
        elif how == 1:
            body["nothing_of_ours"] = draw(ANY)
        else:
            body[name] = draw(ANY)
    return body


def is_lenient(kind: Kind) -> bool:
    if isinstance(kind, NewRows):
        return True
    inner = (
        [f.kind for f in kind.fields]
        if isinstance(kind, Object)
        else [kind.item]
        if isinstance(kind, ListOf)
        else []
    )
    return kind.name in LENIENT or any(map(is_lenient, inner))


def in_the_notation_of_answers(
    resource: Resource, body: dict[str, Any], names: dict[str, Field]
) -> dict[str, Any]:
    """The body with the example in the place of what the decoder takes in other notations too."""
    answered = dict(body)
    for name, value in body.items():
        field = names.get(name)
        if field is not None and value is not None and is_lenient(field.kind):
            answered[name] = examples.value(resource, field)
            if isinstance(field.kind, IsoDateTime) and answered[name] is not None:
                answered[name] = iso(field.kind.parse(answered[name]))
    return answered


def is_known_elsewhere(problem: Problem, names: dict[str, Field]) -> bool:
    """Whether this is the program's or the time zone database's to know, which no schema of a
    document lists; or two names of one field that hold different values, which no schema can
    compare."""
    if problem.code == "bad_request":
        return True
    field = names.get(str(problem.extra["path"]).removeprefix("."))
    return field is not None and isinstance(field.kind, Timezone | AnyObject)


CASES = [
    pytest.param(resource, verb, shape, id=f"{resource.name}-{verb.name}-{shape.value}")
    for resource in RESOURCES
    for verb in (Verb.CREATE, Verb.UPDATE)
    if verb in resource.verbs
    for shape in (Shape.DOCUMENTED, Shape.ENVELOPED)
]


@pytest.mark.turns
@pytest.mark.parametrize(("resource", "verb", "shape"), CASES)
@tries(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_document_and_decoder_agree_on_bodies(
    resource: Resource, verb: Verb, shape: Shape, data: st.DataObject
) -> None:
    described = (
        schemas.create(resource, shape) if verb is Verb.CREATE else schemas.update(resource, shape)
    )
    schema = jsonschema_rs.validator_for(described, validate_formats=True)
    names = offered(resource, verb, shape)
    body = data.draw(bodies(resource, verb, shape))
    problems: Problems = []
    decode.values(resource, msgspec.json.decode(json.dumps(body).encode()), verb, shape, problems)
    if problems:
        refusals = [
            problem.detail for problem in problems if not is_known_elsewhere(problem, names)
        ]
        assert not refusals or not schema.is_valid(body), (
            f"the document describes what is refused: {body} {refusals}"
        )
    else:
        answered = in_the_notation_of_answers(resource, body, names)
        wrong = [
            f"{error.instance_path}: {error.message}" for error in schema.iter_errors(answered)
        ]
        assert not wrong, f"what is taken is not described: {answered}"


def test_a_name_is_described_as_it_is_taken() -> None:
    schema = jsonschema_rs.validator_for(Name().schema())
    taken = {
        name: not _refused(name)
        for name in ("Grace", "שרה", "N\u00a0O", "a\nb", "", " ", "\u200b", "a\x00b", "\x00")
    }
    assert {name: schema.is_valid(name) for name in taken} == taken
    assert set(taken.values()) == {True, False}


def _refused(name: str) -> Problems:
    problems: Problems = []
    Name().decode(name, ".first_name", problems)
    return problems
