"""A question type is one entry in ``field_kinds.py``: every page, check and document knows one that
is declared here.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any, cast

import pytest

from almoner.data_api.store import Store
from almoner.database import Database
from almoner.vocabulary.kinds import Schema, Text
from almoner.workshop import field_kinds, json_schema
from almoner.workshop.field_kinds import FieldKind
from almoner.workshop.kiwi_health import source
from tests.conftest import new_environment
from tests.people import People, Person
from tests.portal.chart import Chart
from tests.programs import published
from tests.web.document import Document
from tests.workshop.pages import intake

FORM = """
  - id: looks
    name: Looks
    sections:
      - questions:
          - {name: skin, kind: colour, label: Colour of the skin, weight: 2}
"""


class Colour(Text):
    """A colour as web pages write it. Its widget is one that no template knows."""

    name = "colour"
    widget = "wheel"
    hint = "a colour such as #336699 is expected"

    def parse(self, value: Any) -> str:
        if not re.fullmatch(r"#[0-9a-f]{6}", super().parse(value)):
            raise ValueError
        return str(value)

    def schema(self) -> Schema:
        return {"type": "string", "pattern": "^#[0-9a-f]{6}$"}


@pytest.fixture(autouse=True)
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The question type, as a line of the table declares it."""
    kind = FieldKind(
        title="shade",
        about="A colour of something.",
        make=lambda field: Colour(),
        takes=("weight",),
        words={"weight": ("Points for a shade", "Added where one is given.")},
    )
    monkeypatch.setitem(
        cast("MutableMapping[str, FieldKind]", field_kinds.FIELD_KINDS), "colour", kind
    )


async def test_a_designer_finds_it_with_its_words_and_the_preview_draws_and_checks_it(
    designer: Person, database: Database
) -> None:
    base = await intake.draft(database, designer.environment_id)
    page = await designer.fragment(f"{intake.PATH}?open=question.1.3")
    assert Document(page).field("kind").options["colour"] == "shade: A colour of something."
    form = {
        "assessment": "intake",
        "base": base,
        "part": "question.1.3",
        "label": "Colour",
        "name": "skin",
        "kind": "colour",
    }
    drawn = await designer.send_form("/workshop/assessment", htmx=True, **form, do="redraw")
    assert Document(drawn).field("Points for a shade")
    scale = await designer.send_form(
        "/workshop/assessment", htmx=True, **{**form, "kind": "scale"}, do="redraw"
    )
    assert Document(scale).field("Lowest")
    assert Document(drawn).lacks("field", "Lowest")
    answers = {"preview-skin": "red", "preview-insurer": "Acme"}
    checked = await designer.send_form(
        "/workshop/preview/assessment", htmx=True, **{**form, **answers, "do": "finish"}
    )
    assert Document(checked).field("preview-skin").role == "textbox"
    assert "Give a colour such as #336699." in Document(checked).field("preview-skin").error
    saved = await designer.send_form(
        "/workshop/assessment", htmx=True, **form, weight="2", do="save"
    )
    assert saved.status_code == 200, saved.text
    assert Document(saved).row("skin · shade · scored")
    fields = await designer.get("/workshop/new/custom_data_types")
    assert fields.status_code == 200


async def test_a_coach_answers_it_and_the_api_checks_it(
    people: People, database: Database, store: Store
) -> None:
    environment = await new_environment(database)
    async with database.connection() as connection:
        await published(
            connection, environment, source().replace("assessments:\n", f"assessments:{FORM}", 1)
        )
    async with await people(environment, "coach") as coach:
        patient = await Chart(environment, database, store).patient()
        here = f"/patients/{patient}/assessments"
        page = await coach.get(f"{here}/new?spec=looks")
        assert Document(page).field("a-skin")
        sent = {"spec": "looks", "version": "1", "asked": "skin", "base.skin": "[]", "do": "finish"}
        wrong = await coach.send_form(f"{here}/answer", htmx=True, **sent, **{"a-skin": "red"})
        assert "Give a colour such as #336699." in Document(wrong).field("a-skin").error
        answer = await coach.send_form(
            f"{here}/answer",
            htmx=True,
            begun="yes",
            **{**sent, "base.skin": '["red"]', "a-skin": "#aa8866"},
        )
        read = await coach.get(answer.headers["hx-redirect"])
        assert Document(read).definition("Colour of the skin").words == "#aa8866"


def test_the_documents_have_it() -> None:
    assert (
        "| `colour` | shade | A colour of something. | a text | `weight` |"
        in field_kinds.reference_page()
    )
    assert "colour" in json_schema.schema()["$defs"]["Question"]["properties"]["kind"]["enum"]
