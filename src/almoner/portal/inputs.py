"""The forms of a collection, made from its declaration: which fields they have, and what there is to choose from in each.

How a kind is drawn and read, ``pages/forms/controls.py`` says; what is here is what a declared field knows besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from almoner.data_api.declare import Resource
from almoner.database import Connection
from almoner.merging.three_way import ABSENT
from almoner.pages.forms import controls
from almoner.pages.forms.controls import FieldView
from almoner.pages.visit import Form, Visit
from almoner.portal import workers
from almoner.portal.editing import made_from
from almoner.vocabulary.choices import Choice, ProgramChoice
from almoner.vocabulary.fields import MISSING, Field
from almoner.vocabulary.kinds import Boolean, Consent, Guid, Integer, Json, Kind, Number, Ref
from almoner.vocabulary.times import TIMEZONES, Timezone

Options = tuple[tuple[str, str], ...]

_ZONES: Final = tuple((zone, zone.replace("_", " ")) for zone in sorted(TIMEZONES))
_YES_NO: Final = (("yes", "yes"), ("no", "no"))


@dataclass(frozen=True)
class Input:
    """A field of a form. ``options`` are the values to choose from, and what people read for each; ``blank`` what stands for none.

    ``zone`` is whose clock moments are shown and typed by, an IANA name.
    """

    field: Field
    options: Options
    blank: str
    zone: str

    @property
    def name(self) -> str:
        """What the form calls it, as the API does."""
        return self.field.name

    @property
    def is_ticked(self) -> bool:
        """Whether it is a box that is ticked or not, of which a form sends nothing where it is not."""
        return isinstance(self.field.kind, Boolean) and self.field.default is False

    def view(self, value: Any, error: str = "", at: str = "") -> FieldView:
        """Its control with this JSON value in it. ``at`` stands before the name in the id of the control."""
        field = self.field
        help_ = field.help if field.help is not None else "" if self.options or self.is_ticked else field.about
        plain = FieldView(
            id=f"{at}{field.name}", name=field.name, label=field.title, help=help_, required=field.required, blank=self.blank
        )
        view = controls.with_value(plain, field.kind, value, self.zone, *_limits(field.kind))
        view = replace(view, error=view.error or error)
        if self.is_ticked:
            return replace(view, widget="checkbox", options=(("yes", field.title),))
        if self.options:
            chosen = view.chosen or ((view.value,) if view.value else ())
            return replace(view, widget="select", options=self.options, value="", chosen=chosen)
        return view

    def value(self, form: Form) -> Any:
        """What was typed, as the API takes it: blank is nothing. What nobody touched stays exactly as the form was made from it."""
        if self.is_ticked:
            return form.truth(self.name)
        sent = [text for text in form.texts(self.name) if text.strip()]
        before = made_from(form, self.name)
        if before is not ABSENT:
            shown = self.view(before)
            if sent == [*filter(None, (shown.value,)), *shown.chosen]:
                return before
        return controls.value_of(self.field.kind, sent if self.name == "external_id" else [one.strip() for one in sent], self.zone)


def inputs(fields: Iterable[Field], visit: Visit, people: Sequence[workers.Worker] = ()) -> tuple[Input, ...]:
    """The controls of those of these fields that have one. ``people`` are the workers to choose from (``to_choose``)."""
    return tuple(_input(field, visit, people) for field in fields if _has_control(field))


async def to_choose(
    visit: Visit, connection: Connection, fields: Iterable[Field], row: Mapping[str, Any] | None = None
) -> Sequence[workers.Worker]:
    """The workers whom these fields can name, with those whom the row names already; none where no field names one."""
    naming = [field.name for field in fields if _names_a_worker(field)]
    if not naming:
        return ()
    return await workers.to_choose(connection, visit.environment_id, [(row or {}).get(name) for name in naming])


def typed_in(resource: Resource, section: str = "", new: bool = False) -> tuple[Field, ...]:
    """The fields of a collection, or of one of its sections, that a form can set: on a ``new`` row, or on one that is there.

    Without what the page's address says, and without consents, each of which is recorded on its own.
    """
    given = {"id", "updated_at", "created_at", resource.patient, *(resource.any_reference or ())}
    named = {name for one in resource.sections for name in one.fields}
    return tuple(
        field
        for name in ([section] if section else [one.name for one in resource.sections])
        for field in resource.by_section[name]
        if field.name not in given and field.generated is None and not isinstance(field.kind, Consent)
        if (field.create if new else field.update) and (field.returned or (new and field.name in named))
    )


def _input(field: Field, visit: Visit, people: Sequence[workers.Worker]) -> Input:
    kind, blank = field.kind, "not known"
    options: Options = ()
    if isinstance(kind, Boolean) and field.default is not False:
        options = _YES_NO
    elif isinstance(kind, Choice):
        options = tuple((value, kind.said(value)) for value in kind.values)
    elif isinstance(kind, ProgramChoice):
        names = visit.program.names(kind.of)
        options = tuple((name, visit.program.title(kind.of, name)) for name in names)
    elif isinstance(kind, Timezone):
        options = _ZONES
    elif _names_a_worker(field):
        options, blank = tuple((one.id, one.name) for one in people), "nobody"
    return Input(field, options, "" if field.required or field.default is not MISSING else blank, visit.worker.timezone)


def _limits(kind: Kind) -> tuple[float | None, float | None]:
    return (kind.low, kind.high) if isinstance(kind, Integer | Number) else (None, None)


def _names_a_worker(field: Field) -> bool:
    return isinstance(field.kind, Ref) and field.kind.to == "workers"


def _has_control(field: Field) -> bool:
    """All but ids of rows and whole documents."""
    return _names_a_worker(field) or not isinstance(field.kind, Guid | Json)
