"""The forms of a collection, made from its declaration: which fields they have, and what there is
to choose from in each.

How a kind is drawn and read, ``pages/forms/controls.py`` says; what is here is what a declared
field knows besides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from almoner.data_api.declare import Resource
from almoner.database import Connection
from almoner.merging.three_way import ABSENT
from almoner.pages.forms import inputs as forms_inputs
from almoner.pages.forms.inputs import Options
from almoner.pages.visit import Form, Visit
from almoner.portal import workers
from almoner.portal.editing import base_value
from almoner.vocabulary.choices import Choice, ProgramName
from almoner.vocabulary.fields import MISSING, Field
from almoner.vocabulary.kinds import Boolean, Consent, Guid, Json, Ref
from almoner.vocabulary.times import TIMEZONES, Timezone

_ZONES: Final = tuple((zone, zone.replace("_", " ")) for zone in sorted(TIMEZONES))
_YES_NO: Final = (("yes", "yes"), ("no", "no"))


class RowInput(forms_inputs.Input):
    """A field of a form that says what it was made from."""

    def value(self, form: Form) -> Any:
        """The same; what nobody touched stays exactly as the form was made from it."""
        before = ABSENT if self.is_ticked else base_value(form, self.name)
        if before is not ABSENT and self.view(before).is_untouched(form.texts(self.name)):
            return before
        return super().value(form)

    def is_sent_in(self, form: Form) -> bool:
        """Whether a form says something of it: one from before an upgrade does not have it; of
        boxes none of which is ticked it sends nothing but what they were drawn with.
        """
        drawn = self.ticks_several and f"was.{self.name}" in form
        return self.is_ticked or self.name in form or drawn


def inputs(
    fields: Iterable[Field], visit: Visit, people: Sequence[workers.Worker] = ()
) -> tuple[RowInput, ...]:
    """The controls of those of these fields that have one. ``people`` are the workers to choose
    from (``to_choose``).
    """
    return tuple(_input(field, visit, people) for field in fields if _has_control(field))


async def to_choose(
    visit: Visit,
    connection: Connection,
    fields: Iterable[Field],
    row: Mapping[str, Any] | None = None,
) -> Sequence[workers.Worker]:
    """The workers whom these fields can name, with those whom the row names already; none where no
    field names one.
    """
    naming = [field.name for field in fields if _names_a_worker(field)]
    if not naming:
        return ()
    return await workers.to_choose(
        connection, visit.environment_id, [(row or {}).get(name) for name in naming]
    )


def form_fields(resource: Resource, section: str = "", new: bool = False) -> tuple[Field, ...]:
    """The fields of a collection, or of one of its sections, that a form can set: on a ``new`` row,
    or on one that is there.

    Without what the page's address says, and without consents, each of which is recorded on its
    own."""
    apart = {"id", "updated_at", "created_at", resource.patient, *(resource.any_reference or ())}
    named = {name for part in resource.sections for name in part.fields}
    return tuple(
        field
        for name in ([section] if section else [part.name for part in resource.sections])
        for field in resource.by_section[name]
        if field.name not in apart
        and field.generated is None
        and not isinstance(field.kind, Consent)
        if (field.create if new else field.update)
        and (field.returned or (new and field.name in named))
    )


def _input(field: Field, visit: Visit, people: Sequence[workers.Worker]) -> RowInput:
    if field.is_inside:
        # The program's, which is drawn as its designer has seen it.
        return RowInput(field=field, blank="Choose", zone=visit.worker.timezone)
    kind, blank = field.kind, "not known"
    options: Options = ()
    if isinstance(kind, Boolean) and field.default is not False:
        options = _YES_NO
    elif isinstance(kind, Choice):
        options = tuple((value, kind.in_words(value)) for value in kind.values)
    elif isinstance(kind, ProgramName):
        names = visit.program.names(kind.of)
        options = tuple((name, visit.program.title(kind.of, name)) for name in names)
    elif isinstance(kind, Timezone):
        options = _ZONES
    elif _names_a_worker(field):
        options, blank = tuple((worker.id, worker.name) for worker in people), "nobody"
    return RowInput(
        field=field,
        options=options,
        blank="" if field.required or field.default is not MISSING else blank,
        zone=visit.worker.timezone,
    )


def _names_a_worker(field: Field) -> bool:
    return isinstance(field.kind, Ref) and field.kind.to == "workers"


def _has_control(field: Field) -> bool:
    """All but ids of rows and whole documents."""
    return _names_a_worker(field) or not isinstance(field.kind, Guid | Json)
