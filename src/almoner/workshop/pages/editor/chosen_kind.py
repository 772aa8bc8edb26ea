"""What of a part goes with the kind of field, or the word, that is chosen in its form."""

from __future__ import annotations

from dataclasses import replace

from msgspec import Struct

from almoner.pages.visit import Form
from almoner.workshop.assessment_design import FieldDesign
from almoner.workshop.field_kinds import FIELD_KINDS, OPTIONS, FieldKind
from almoner.workshop.pages.editor.form import filled, positions, under
from almoner.workshop.process_design import CHOSEN
from almoner.workshop.shape import Member, members


def is_left_out(struct: type[Struct], member: Member, form: Form, prefix: str) -> bool:
    """What stands beside the rows of a list; and an option that the chosen kind of field does not
    take. Not where it is there.
    """
    name = under(prefix, member.key)
    if form.text(name) or filled(form, name):
        return False
    return (
        bool(member.beside)
        or not goes_with_the_kind(struct, member.key, form, prefix)
        or not _goes_with_the_word(struct, member.key, form, prefix)
    )


def _goes_with_the_word(struct: type[Struct], key: str, form: Form, prefix: str) -> bool:
    """Whether a member of a trigger, a condition or an action goes with the one that is chosen."""
    chosen_in, goes_with = CHOSEN.get(struct, ("", {}))
    word = form.text(under(prefix, chosen_in)) if chosen_in else ""
    others = {name for names in goes_with.values() for name in names}
    return key not in others or key in goes_with.get(word, ())


def goes_with_the_kind(struct: type[Struct], key: str, form: Form, prefix: str) -> bool:
    if not issubclass(struct, FieldDesign) or key not in OPTIONS:
        return True
    kind = _kind(struct, form, prefix)
    return kind is not None and key in kind.takes


def _kind(struct: type[Struct], form: Form, prefix: str) -> FieldKind | None:
    is_field = issubclass(struct, FieldDesign)
    return FIELD_KINDS.get(form.text(under(prefix, "kind"))) if is_field else None


def as_the_kind_says(struct: type[Struct], member: Member, form: Form, prefix: str) -> Member:
    """The option under the title and the help that the kind of a field has for it."""
    kind = _kind(struct, form, prefix)
    title, description = kind.words.get(member.key, ("", "")) if kind else ("", "")
    return replace(member, title=title, description=description) if title else member


def begun(struct: type[Struct], form: Form, prefix: str = "") -> Form:
    """The form with what a field of its kind begins with, where nothing is typed there yet."""
    pairs = list(form.pairs)
    for member in members(struct):
        if member.struct is not None and member.holds == "parts":
            name = under(prefix, member.key)
            for number in positions(form, name):
                pairs = list(begun(member.struct, Form(pairs), f"{name}.{number}").pairs)
    kind = _kind(struct, form, prefix)
    if kind is None:
        return Form(pairs)
    if not any(form.text(under(prefix, key)) for key in kind.begins):
        pairs += [(under(prefix, key), str(value)) for key, value in kind.begins.items()]
    choices = under(prefix, "choices")
    if "choices" in kind.needs and not positions(form, choices):
        pairs += [(f"{choices}:item", number) for number in "01"]
    return Form(pairs)


def fitted(struct: type[Struct], form: Form) -> Form:
    """The form without the options that its kind of field does not take."""
    keys = tuple(key for key in OPTIONS if not goes_with_the_kind(struct, key, form, ""))
    inside = tuple(f"{key}{mark}" for key in keys for mark in ".:")
    return Form(
        (name, value)
        for name, value in form.pairs
        if name not in keys and not name.startswith(inside)
    )
