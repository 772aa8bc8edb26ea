"""A declared field as a control of a form: what is shown of its value, and what was sent read back.

How a kind is drawn and read, ``controls.py`` says; what is here is what a declared field knows
besides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from almoner.pages.forms import controls
from almoner.pages.forms.controls import FieldView
from almoner.pages.forms.refusals import BLANK
from almoner.pages.moment_fields import two_meanings
from almoner.pages.visit import Form
from almoner.vocabulary.choices import Choice, Several
from almoner.vocabulary.fields import Field, missing_field
from almoner.vocabulary.kinds import Boolean, Kind, Problems
from almoner.vocabulary.numbers import Integer, Number

Options = tuple[tuple[str, str], ...]

_AS_SENT: Final = "external_id"


@dataclass(frozen=True, kw_only=True)
class Input:
    """A field of a form. ``options`` are the values to choose from, and what people read for each;
    ``blank`` what stands for none.

    ``zone`` is whose clock moments are shown and typed by, an IANA name. ``widget`` is another than
    that of the kind."""

    field: Field
    options: Options = ()
    blank: str = ""
    zone: str = "UTC"
    widget: str = ""

    @property
    def name(self) -> str:
        """What the form calls it, as the API does."""
        return self.field.name

    @property
    def is_ticked(self) -> bool:
        """Whether it is a box that is ticked or not, of which a form sends nothing where it is
        not.
        """
        return isinstance(self.field.kind, Boolean) and self.field.default is False

    @property
    def ticks_several(self) -> bool:
        """Whether it is a group of boxes, any number of which are ticked."""
        return isinstance(self.field.kind, Several)

    def check(self, value: Any, problems: Problems) -> None:
        """Adds the problem of a value that is not of the kind, or that is missing."""
        if value is not None:
            self.field.kind.decode(value, f".{self.name}", problems)
        elif self.field.required:
            problems.append(missing_field(f".{self.name}"))

    def view(self, value: Any, error: str = "", at: str = "") -> FieldView:
        """Its control with this JSON value in it; a choice that has none begins with its default.
        ``at`` stands before the name in the id of the control.
        """
        field = self.field
        if value is None and isinstance(field.kind, Choice) and isinstance(field.default, str):
            value = field.default
        help_ = (
            field.help
            if field.help is not None
            else ""
            if self.options or self.is_ticked
            else field.about
        )
        plain = FieldView(
            id=f"{at}{controls.id_of(field.name)}",
            name=field.name,
            label=field.title,
            help=help_,
            required=field.required,
            blank=self.blank,
        )
        view = controls.with_value(plain, field.kind, value, self.zone, *_limits(field.kind))
        if error == BLANK and self.ticks_several:
            error = "Tick at least one."
        error = view.error or error
        error = error and (two_meanings(view.value, view.widget) or error)
        view = replace(view, error=error, widget=self.widget or view.widget)
        if self.is_ticked:
            return replace(view, widget="checkbox", options=(("yes", field.title),))
        if self.options:
            chosen = view.chosen or ((view.value,) if view.value else ())
            widget = self.widget or ("checkboxes" if self.ticks_several else "select")
            # Where something has to be chosen, nothing is before somebody does.
            blank = self.blank if chosen or not field.required else "Choose"
            view = replace(view, widget=widget, options=self.options, value="", chosen=chosen)
            return replace(view, blank=blank)
        return view

    def value(self, form: Form) -> Any:
        """What was typed, as the API takes it: blank is nothing."""
        if self.is_ticked:
            return form.truth(self.name)
        sent = [text for text in form.texts(self.name) if text.strip()]
        return controls.value_of(
            self.field.kind,
            sent if self.name == _AS_SENT else [text.strip() for text in sent],
            self.zone,
        )


def control(
    name: str,
    kind: Kind,
    label: str = "",
    hint: str = "",
    *,
    required: bool = False,
    widget: str = "",
    options: Options = (),
) -> Input:
    """A field that a form alone has; of a choice, every value is seen."""
    if isinstance(kind, Choice):
        options = tuple((value, kind.in_words(value)) for value in kind.values)
        widget = widget or "radios"
    field = Field(name, kind, label=label, help=hint, required=required)
    return Input(field=field, options=options, widget=widget)


def _limits(kind: Kind) -> tuple[float | None, float | None]:
    return (kind.low, kind.high) if isinstance(kind, Integer | Number) else (None, None)
