"""Bodies as a whole: JSON objects, each of whose keys is given once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almoner.data_api import decode
from almoner.errors import ApiError

KEYS = st.sampled_from(["a", "b", 'x":', "c : ", '\\"', "é"])
VALUES = st.recursive(
    st.none() | st.integers(-9, 9) | st.sampled_from(['":', '" : "', "2026-01-01T12:00:00Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)


@given(
    st.dictionaries(KEYS, VALUES),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " \t:\n")]),
    st.booleans(),
)
def test_an_object_of_keys_that_differ_is_taken(
    value: dict[str, Any], separators: tuple[str, str], ascii_only: bool
) -> None:
    assert (
        decode.json_object(
            json.dumps(value, separators=separators, ensure_ascii=ascii_only).encode()
        )
        == value
    )


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ('{"a":1,"a":2}', "a"),
        ('{"a":1,"b":2,"a":1}', "a"),
        ('{"a" : 1,"a":2}', "a"),
        ('{"a"\n:1, "b": "x\\":", "a"\t: 2}', "a"),
        ('{"a":1,"\\u0061":2}', "a"),
        ('{"a":{"b":[{"c":1},{"d":1,"d":2}]}}', "d"),
    ],
)
def test_a_key_that_is_given_twice_is_refused_by_its_name(body: str, key: str) -> None:
    with pytest.raises(ApiError) as refused:
        decode.json_object(body.encode())
    [problem] = refused.value.problems
    assert (refused.value.status, problem.extra["path"]) == (400, f".{key}")
    assert f"The key {key} is given twice" in problem.detail


def test_one_key_in_several_objects_is_taken() -> None:
    assert decode.json_object(b'{"a": {"a": [{"a": 1}, {"a": 2}]}, "b": {"a": 1}}')["b"] == {"a": 1}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"a": NaN}', "has no NaN"),
        ('{"a": [-Infinity]}', "has no -Infinity"),
        ('{"a": ' + "[" * 3000 + "]" * 3000 + "}", "nested deeper"),
        ('{"a": 1,}', "commas"),
    ],
)
def test_what_is_no_json_says_what_it_is(body: str, words: str) -> None:
    with pytest.raises(ApiError) as refused:
        decode.json_object(body.encode())
    [problem] = refused.value.problems
    assert (refused.value.status, problem.extra["path"]) == (400, ".")
    assert words in problem.detail
