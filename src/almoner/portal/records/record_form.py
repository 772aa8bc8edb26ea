"""A record's form as it was sent: its values, and what is wrong with them, at each field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from almoner.pages.visit import Form
from almoner.workshop.design import FieldDesign
from almoner.workshop.forms import fields_view, read

# Stands before the names of the controls, so that no field can be taken for something else that the form sends.
PREFIX: Final = "r-"


def body(fields: Sequence[FieldDesign], form: Form, was: Mapping[str, Any], timezone: str) -> dict[str, Any]:
    """The record that the form states. What nobody touched stays exactly as it ``was``: a form shows times to the minute only."""
    sent = read(fields, form, PREFIX, timezone)
    shown = {field.name: view for field, view in zip(fields, fields_view(fields, was, timezone=timezone), strict=True)}
    for field in fields:
        view = shown[field.name]
        texts = [text for text in form.texts(f"{PREFIX}{field.name}") if text.strip()]
        if field.name in was and texts == [*filter(None, (view.value,)), *view.chosen]:
            sent[field.name] = was[field.name]
    return sent
