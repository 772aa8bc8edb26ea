"""The options of a select: what is chosen, and what names of others may not do to the page."""

from __future__ import annotations

from almoner.pages.options import options, suggestions
from almoner.vocabulary.names import isolated


def test_only_what_is_chosen_is_selected() -> None:
    choices = [("", "Nobody"), ("a", "Ann"), ("ab", "Abel")]
    assert options(choices, "a") == (
        '<option value="">Nobody</option><option value="a" selected>Ann</option>'
        '<option value="ab">Abel</option>'
    )
    # The same list again, with another choice, with two, and with one that is not there.
    assert options(choices, "").count(" selected") == 1
    assert options(choices, ("a", "ab")).count(" selected") == 2
    assert options(choices, "gone").count(" selected") == 0


def test_what_may_not_be_chosen_says_why_and_a_label_may_be_its_value() -> None:
    assert options([("a", "Ann"), ("b", "Bo")], notes={"b": "away"}, disabled=["b"]) == (
        '<option value="a">Ann</option><option value="b" disabled>Bo (away)</option>'
    )
    assert options(["Ann", "Bo"], "Bo") == options([("Ann", "Ann"), ("Bo", "Bo")], "Bo")


def test_a_name_is_text_and_ends_no_attribute() -> None:
    hostile = '"><script>alert(1)</script>'
    drawn = options([(hostile, hostile)], hostile)
    assert drawn == (
        '<option value="&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;" selected>'
        "&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;</option>"
    )
    assert suggestions([hostile]).count("<option") == 1
    # One that turns its text round does not turn what stands behind it.
    turning = "\u202eAbel"
    assert f">{isolated(turning)}<" in options([("a", turning)])
    assert isolated(turning) != turning
