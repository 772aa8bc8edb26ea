"""The phases of a program as a drawn path."""

from __future__ import annotations

from almoner.workshop.design import Phase
from almoner.workshop.pages.elements.phase_path import phase_path


def test_arcs_lead_to_what_may_follow_but_for_the_next_in_line() -> None:
    path = phase_path(
        (
            Phase(name="a", title="First", next=("b", "d", "gone", "a")),
            Phase(name="b", next=("a",), color="pink"),
            Phase(name="c", next=None),
            Phase(name="d", next=()),
        ),
        {"b": 1200, "gone": 3},
    )
    assert [(p.title, p.dot) for p in path.phases] == [("First", 1), ("b", 5), ("c", 3), ("d", 4)]
    assert [p.patients for p in path.phases] == [0, 1200, 0, 0]
    assert [(p.goes_on, p.any_follows, p.ends) for p in path.phases] == [
        (True, False, False),
        (False, False, False),
        (False, True, False),
        (False, False, True),
    ]
    (onward,), (back,) = path.onward, path.back
    # Each in the colour of where it begins; above up from the foot, below down from the head.
    assert (onward.dot, back.dot) == (1, 5)
    assert onward.path.startswith(f"M74 {path.above}C")
    assert back.path.startswith("M182 0C")
    assert path.above > path.below > 0


def test_a_path_without_jumps_has_no_arcs() -> None:
    path = phase_path((Phase(name="a", next=("b",)), Phase(name="b", next=())), {})
    assert (path.onward, path.back, path.above, path.below) == ((), (), 0, 0)
    assert phase_path((), {}).phases == ()
