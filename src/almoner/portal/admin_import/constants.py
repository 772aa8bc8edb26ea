"""What every row of an import gets: one value for a field that the file has no column of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from almoner.data_api.declare import Resource, Row
from almoner.database import Connection
from almoner.imports.sources import targets
from almoner.pages.forms.controls import FieldView
from almoner.pages.forms.problems import by_name
from almoner.pages.visit import Form, Visit
from almoner.portal.inputs import RowInput, inputs, to_choose
from almoner.vocabulary.kinds import Consent, Problems
from almoner_files.mapping import Mapping as Columns

# Before the name of a field where it is the same for every row.
PREFIX: Final = "every-"


@dataclass(frozen=True)
class Constants:
    """The controls of what is the same for every row: of ``needed`` fields, which a new row has to
    have and no column goes into, and of ``further`` ones.
    """

    needed: Sequence[FieldView]
    further: Sequence[FieldView]

    @property
    def is_open(self) -> bool:
        """Whether one of the further ones has something in it, or something wrong with it."""
        return any(view.value or view.chosen or view.error for view in self.further)


async def to_fill_in(
    visit: Visit, connection: Connection, resource: Resource
) -> Sequence[RowInput]:
    """The fields that can be the same for every row."""
    fields = [field for field in targets(resource) if not isinstance(field.kind, Consent)]
    return inputs(fields, visit, await to_choose(visit, connection, fields))


def controls(fields: Sequence[RowInput], columns: Columns, errors: Mapping[str, str]) -> Constants:
    """The controls of the fields that no column goes into, or that have a value already."""
    mapped = {target.field for target in columns.columns.values() if target}
    needed: list[FieldView] = []
    further: list[FieldView] = []
    for each in fields:
        if each.name in mapped and each.name not in columns.constants:
            continue
        view = each.view(columns.constants.get(each.name), errors.get(each.name, ""), "every-")
        # The file may have a column for it, whatever is chosen here.
        view = replace(view, name=f"{PREFIX}{each.name}", required=False, blank="Nothing")
        (needed if each.field.required else further).append(view)
    return Constants(needed, further)


def read(fields: Sequence[RowInput], form: Form) -> tuple[Row, dict[str, str]]:
    """What was filled in, by field, and what is wrong with it."""
    pairs = (pair for pair in form.pairs if pair[0].startswith(PREFIX))
    own = Form((name.removeprefix(PREFIX), text) for name, text in pairs)
    values: dict[str, Any] = {}
    problems: Problems = []
    for each in fields:
        value = each.value(own)
        if value is None or value is False:
            continue
        values[each.name] = value
        each.check(value, problems)
    errors, _ = by_name(problems, [each.name for each in fields], "")
    return values, errors
