"""What the buttons of a form's lists do: an item more, one less, one up or down. Nothing is saved
by them.

A button sends ``do``: ``add:fields``, ``remove:fields:3``, ``up:fields:3``, ``down:fields:3``; its
id is the same."""

from __future__ import annotations

from dataclasses import dataclass

from almoner.pages.visit import Form
from almoner.workshop.pages.editor.form import positions


@dataclass(frozen=True)
class Acted:
    """The form after it, the id of what gets the focus, a control or an item that holds some, and
    what readers hear.
    """

    form: Form
    focus: str
    message: str


def acted(form: Form, action: str) -> Acted:
    """The form after one of its buttons was pressed. Anything else leaves it as it is."""
    word, _, rest = action.partition(":")
    name, _, number = rest.partition(":")
    order = list(positions(form, name))
    if word == "add":
        new = str(max((int(taken) for taken in order), default=-1) + 1)
        return Acted(_ordered(form, name, [*order, new]), f"{name}.{new}", "Added.")
    if number not in order:
        return Acted(form, "", "")
    at = order.index(number)
    if word == "remove":
        rest_of = order[:at] + order[at + 1 :]
        neighbour = rest_of[min(at, len(rest_of) - 1)] if rest_of else ""
        focus = f"remove:{name}:{neighbour}" if neighbour else f"add:{name}"
        return Acted(_without(_ordered(form, name, rest_of), f"{name}.{number}"), focus, "Removed.")
    to = at + {"up": -1, "down": 1}.get(word, 0)
    if not 0 <= to < len(order):
        return Acted(form, action, "")
    order.insert(to, order.pop(at))
    return Acted(_ordered(form, name, order), action, f"Now number {to + 1} of {len(order)}.")


def _ordered(form: Form, name: str, order: list[str]) -> Form:
    """The form with the items of a list in this order."""
    rest = [(key, value) for key, value in form.pairs if key != f"{name}:item"]
    return Form([*rest, *((f"{name}:item", number) for number in order)])


def _without(form: Form, prefix: str) -> Form:
    """The form without what was sent of an item: its number may be taken again."""
    return Form(
        (key, value)
        for key, value in form.pairs
        if key != prefix and not key.startswith((f"{prefix}.", f"{prefix}:"))
    )
