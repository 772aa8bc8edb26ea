"""What a site has added to a collection whose pages lay the contract's fields out by hand: its
last section.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

import msgspec

from almoner.data_api import statements
from almoner.data_api.declare import Resource, Row
from almoner.database import Connection
from almoner.errors import Problem
from almoner.pages.forms.controls import FieldView
from almoner.pages.forms.problems import by_name
from almoner.pages.visit import Form, Visit
from almoner.portal import editing
from almoner.portal.inputs import RowInput, form_fields, inputs, to_choose
from almoner.portal.patient import Patient
from almoner.portal.values import Fact, facts, speaking, value_fields
from almoner.vocabulary.fields import Field, Shape

Facts = Sequence[Fact]


@dataclass(frozen=True)
class OwnFields:
    """The fields of a collection's last section, in forms and in words; nothing where none is
    declared. ``prefix`` stands before their names in a form that has those of others too.
    """

    resource: Resource
    prefix: str = ""

    @property
    def title(self) -> str:
        """What the section is called."""
        return self.resource.sections[-1].title

    @cached_property
    def fields(self) -> Sequence[Field]:
        """Those that a row says something in."""
        return value_fields(self.resource, self.resource.sections[-1].name)

    def settable(self, new: bool = False) -> Sequence[Field]:
        """Those that a form can set: on a ``new`` row, or on one that is there."""
        return form_fields(self.resource, self.resource.sections[-1].name, new)

    def row_sql(self, alias: str) -> str:
        """The SQL of ``body``: a row's JSON, null where nothing would be shown of it."""
        if not self.fields:
            return "NULL::text AS body"
        return statements.body(self.resource, Shape.STORED, alias)

    def row(self, record: Mapping[str, Any]) -> Row:
        """The JSON values of a record that has ``row_sql``; nothing where that is null."""
        row: Row = msgspec.json.decode(record["body"]) if record["body"] else {}
        return row

    async def facts(
        self, visit: Visit, connection: Connection, patient: Patient | None, rows: Sequence[Row]
    ) -> Sequence[Facts]:
        """What each of these rows about the patient, None where they are about none, says in
        words.
        """
        if not self.fields:
            return [()] * len(rows)
        words = await speaking(visit, connection, patient, self.fields, *rows)
        return [tuple(facts(self.fields, row, words)) for row in rows]

    def base_fields(self, updated_at: datetime, row: Row) -> Sequence[tuple[str, str]]:
        """The hidden fields that say what the controls of a row were made from."""
        values = {field.name: row.get(field.name) for field in self.settable()}
        hidden = editing.hidden_fields(updated_at, values)
        return [(f"{self.prefix}{name}", value) for name, value in hidden]

    def read(self, visit: Visit, form: Form, new: bool = False) -> Row:
        """What was typed, by field; what is blank is left out of a ``new`` row, else None."""
        return self.values(inputs(self.settable(new), visit), form, new)

    def values(self, controls: Iterable[RowInput], form: Form, new: bool = False) -> Row:
        """``read``, where there are the ``inputs`` already."""
        own = self._part(form)
        values = {
            control.name: control.value(own) for control in controls if control.is_sent_in(own)
        }
        return {name: value for name, value in values.items() if not new or value is not None}

    def changed(self, visit: Visit, form: Form) -> Row:
        """``read`` of a row that is there, without what is as the form was made from."""
        own = self._part(form)
        return {
            name: value
            for name, value in self.read(visit, form).items()
            if value != editing.base_value(own, name)
        }

    def _part(self, form: Form) -> Form:
        """What the form has of these fields, without the prefix."""
        prefix = self.prefix
        return Form(
            (n.removeprefix(prefix), text) for n, text in form.pairs if n.startswith(prefix)
        )

    def errors(self, problems: Iterable[Problem]) -> tuple[dict[str, str], list[Problem]]:
        """What is wrong with them, by field; and the problems of anything else."""
        listed, names = list(problems), [field.name for field in self.fields]
        errors, _ = by_name(listed, names, "")
        return errors, [other for other in listed if other.extra.get("path", "")[1:] not in errors]

    async def inputs(
        self, visit: Visit, connection: Connection, values: Mapping[str, Any], new: bool = False
    ) -> Sequence[RowInput]:
        """What there is to fill in of a row with these values."""
        fields = self.settable(new)
        return inputs(fields, visit, await to_choose(visit, connection, fields, values))

    def views(
        self,
        controls: Iterable[RowInput],
        values: Mapping[str, Any],
        errors: Mapping[str, str],
        at: str = "",
    ) -> Sequence[FieldView]:
        """The controls with these values and what is wrong with them. ``at`` stands before the
        name in the id of each.
        """
        views = (
            control.view(values.get(control.name), errors.get(control.name, ""), at)
            for control in controls
        )
        return [replace(view, name=f"{self.prefix}{view.name}") for view in views]

    async def controls(
        self,
        visit: Visit,
        connection: Connection,
        values: Mapping[str, Any],
        errors: Mapping[str, str],
        *,
        new: bool = False,
        at: str = "",
    ) -> Sequence[FieldView]:
        """``views`` of ``inputs``."""
        return self.views(await self.inputs(visit, connection, values, new), values, errors, at)
