"""Two coaches change one care flow: what each did is kept, and what both did is asked about."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from almoner.portal.care_flows import changes
from almoner.portal.care_flows.changes import At, Change, Merging, Part, step


def _flow() -> Part:
    walk = {
        "title": "Walk",
        "interventions": [
            step("Choose shoes", reminder_date="2026-11-20T08:00:00+00:00"),
            step("Choose a way"),
        ],
    }
    eat = {
        "title": "Eat",
        "interventions": [step("Send the list", worker_id="w1"), step("Send the list")],
    }
    return {"description": "More exercise", "diagnosis": None, "goals": [walk, eat]}


def _done(now: Part, change: Change, base: Part | None = None, decided: str = "") -> Merging:
    merging = Merging(base or _flow(), now, lambda path, theirs: decided)
    change(merging)
    return merging


def _titles(flow: Part) -> list[tuple[str, list[str]]]:
    return [
        (goal["title"], [intervention["title"] for intervention in goal["interventions"]])
        for goal in flow["goals"]
    ]


def _theirs(change: Change) -> Part:
    """The flow as somebody else left it."""
    return _done(_flow(), change).flow


def test_a_step_is_completed_where_it_is_now_though_somebody_moved_it_and_added_others() -> None:
    now = _theirs(changes.move(At(0, 1), -1))
    now["goals"].insert(0, {"title": "Before", "interventions": [step("Choose a way to begin")]})
    merged = _done(now, changes.complete(At(0, 1), "me", "2026-11-24T10:00:00+00:00")).flow
    assert _titles(merged) == _titles(now)
    assert [
        intervention["title"]
        for goal in merged["goals"]
        for intervention in goal["interventions"]
        if intervention["completed_at"]
    ] == ["Choose a way"]


def test_a_step_that_somebody_completed_already_keeps_who_did_it() -> None:
    now = _theirs(changes.complete(At(0, 0), "them", "2026-11-23T10:00:00+00:00"))
    merging = _done(now, changes.complete(At(0, 0), "me", "2026-11-24T10:00:00+00:00"))
    assert merging.flow == now
    assert "completed already" in merging.notice


def test_a_step_that_somebody_removed_is_not_completed_in_place_of_another_one() -> None:
    now = _theirs(changes.remove(At(0, 1)))
    merging = _done(now, changes.complete(At(0, 1), "me", "2026-11-24T10:00:00+00:00"))
    assert merging.flow == now
    assert "removed or renamed" in merging.notice


def test_of_two_steps_with_one_title_the_one_that_was_meant_is_changed() -> None:
    now = _theirs(changes.remove(At(1, 0)))
    merged = _done(now, changes.edit(At(1, 1), {"instructions": "By letter"})).flow
    assert merged["goals"][1]["interventions"] == [step("Send the list", instructions="By letter")]


def test_a_step_that_was_seen_alone_is_the_only_one_of_its_title_and_date_in_its_goal_or_none() -> (
    None
):
    dates = [f"2026-11-{day:02}T08:00:00+00:00" for day in (7, 14, 21)]
    calls = [step("Weekly call", reminder_date=date) for date in dates]
    other = {"title": "Eat", "interventions": [dict(calls[2])]}

    def completed(part: Part, steps: list[Part], goal: str = "Walk") -> list[tuple[int, int]]:
        flow = {
            "description": "More exercise",
            "diagnosis": None,
            "goals": [other, {"title": goal, "interventions": steps}],
        }
        merging = Merging(
            changes.alone(flow, {"title": "Walk"}, part), flow, lambda path, theirs: "", whole=False
        )
        changes.complete(At(0, 0), "me", "2026-11-24T10:00:00+00:00")(merging)
        goals = merging.flow["goals"]
        done = [
            (g, s)
            for g, of in enumerate(goals)
            for s, intervention in enumerate(of["interventions"])
            if intervention["completed_at"]
        ]
        assert bool(done) != ("removed or renamed" in merging.notice)
        return done

    edited = calls[2] | {"instructions": "Ask for the results"}
    assert completed(calls[2], calls) == [(1, 2)]
    assert completed(calls[2], [edited, *calls[:2]]) == [(1, 0)]
    assert completed(calls[2], calls[:2]) == []
    assert completed(calls[2], [*calls[:2], edited, dict(edited)]) == []
    assert completed(calls[2], [*calls[:2], edited, calls[2]]) == [(1, 3)]
    assert completed(calls[2], [*calls[:2], calls[2] | {"reminder_date": dates[1]}]) == []
    assert completed(calls[2], calls, goal="Walk daily") == []


def test_two_who_change_different_fields_of_one_step_both_keep_their_work() -> None:
    now = _theirs(changes.edit(At(0, 0), {"title": "Buy shoes"}))
    merging = _done(now, changes.edit(At(0, 0), {"title": "Choose shoes", "worker_id": "me"}))
    assert not merging.conflicts
    assert merging.flow["goals"][0]["interventions"][0] == step(
        "Buy shoes", reminder_date="2026-11-20T08:00:00+00:00", worker_id="me"
    )


def test_two_who_change_one_field_are_asked_and_get_what_they_choose() -> None:
    now = _theirs(changes.edit(At(0, 0), {"instructions": "Theirs"}))
    mine = changes.edit(At(0, 0), {"instructions": "Mine"})
    [conflict] = _done(now, mine).conflicts
    assert (conflict.path, conflict.base, conflict.mine, conflict.theirs) == (
        "instructions",
        None,
        "Mine",
        "Theirs",
    )
    chosen = {
        side: _done(now, mine, decided=side).flow["goals"][0]["interventions"][0]["instructions"]
        for side in ("mine", "theirs")
    }
    assert chosen == {"mine": "Mine", "theirs": "Theirs"}


def test_what_one_edits_and_another_removed_is_put_back_only_if_they_say_so() -> None:
    now = _theirs(changes.remove(At(0)))
    edited = changes.edit(At(0, 0), {"instructions": "Mine"})
    assert [c.path for c in _done(now, edited).conflicts] == [changes.REMOVED]
    assert _titles(_done(now, edited, decided="theirs").flow) == _titles(now)
    assert _titles(_done(now, edited, decided="mine").flow)[-1] == ("Walk", ["Choose shoes"])


def test_what_one_removes_and_another_changed_stays_until_they_say_so() -> None:
    now = _theirs(changes.complete(At(0, 1), "them", "2026-11-23T10:00:00+00:00"))
    for at in (At(0), At(0, 1)):
        assert [c.path for c in _done(now, changes.remove(at)).conflicts] == [changes.REMOVED]
        assert _done(now, changes.remove(at), decided="theirs").flow == now
        assert _done(now, changes.remove(at), decided="mine").flow != now


def test_what_somebody_adds_meanwhile_stays_when_another_removes_a_neighbour() -> None:
    now = _theirs(changes.add(At(0), step("Buy socks")))
    merged = _done(now, changes.remove(At(0, 0))).flow
    assert _titles(merged) == [
        ("Walk", ["Choose a way", "Buy socks"]),
        ("Eat", ["Send the list", "Send the list"]),
    ]


def test_a_goal_that_somebody_renamed_takes_what_another_adds_to_it() -> None:
    now = _theirs(changes.edit_goal(At(0), "Walk daily", None))
    assert _titles(_done(now, changes.add(At(0), step("Buy socks"))).flow)[0] == (
        "Walk daily",
        ["Choose shoes", "Choose a way", "Buy socks"],
    )
    assert [c.path for c in _done(now, changes.edit_goal(At(0), "Stroll", None)).conflicts] == [
        "title"
    ]


def test_a_goal_that_somebody_removed_comes_back_for_what_another_puts_into_it() -> None:
    now = _theirs(changes.remove(At(1)))
    merging = _done(now, changes.add(At(1), step("Cook")))
    assert _titles(merging.flow)[-1] == ("Eat", ["Cook"])
    assert "is back" in merging.notice


def test_a_step_moves_on_into_the_next_goal_and_stops_at_the_ends() -> None:
    def moved(at: At, by: int) -> Any:
        return _titles(_done(_flow(), changes.move(at, by)).flow)

    assert moved(At(0, 1), 1) == [
        ("Walk", ["Choose shoes"]),
        ("Eat", ["Choose a way", "Send the list", "Send the list"]),
    ]
    assert moved(At(1, 0), -1) == [
        ("Walk", ["Choose shoes", "Choose a way", "Send the list"]),
        ("Eat", ["Send the list"]),
    ]
    assert moved(At(0, 0), -1) == moved(At(1, 1), 1) == moved(At(0), -1) == _titles(_flow())
    assert [goal for goal, _ in moved(At(0), 1)] == ["Eat", "Walk"]


def test_no_change_touches_what_it_was_given() -> None:
    base, now = _flow(), _flow()
    before = deepcopy((base, now))
    for change in (
        changes.remove(At(0)),
        changes.move(At(1, 0), -1),
        changes.add_goal("New", None),
        changes.describe({"description": "x"}),
    ):
        _done(now, change, base)
    assert (base, now) == before
