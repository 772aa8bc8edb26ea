"""A route about a patient says so once: its handler is given the patient and a connection, and
neither looks for them itself.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any, cast

import pytest

import almoner
from almoner.app import PAGES
from almoner.database import Database
from almoner.database.connection_guard import HoldingError
from almoner.pages.visit import TemplateResponse

pytestmark = pytest.mark.house

PORTAL = Path(almoner.__file__).parent / "portal"
# A stream is open for long and tells nothing of the patient: it looks by itself whether they may be
# seen, and holds nothing.
STREAM = "/patients/{id}/live"
# What is saved at each answer of a form tells nothing of the patient, and is noted as no reading.
AUTOSAVE = "/patients/{id}/assessments/answer"
# Who loads a patient by another way than the route: of an appointment, of a form's field, of a row
# that the inbox names; anew after a write.
LOADS = {
    "assessments/fill_page.py",
    "calendar/appointment_detail.py",
    "calendar/booking.py",
    "care_flows/queries.py",
    "inbox/preview.py",
    "inbox/row_form.py",
    "inbox/services.py",
    "patients/merge_page.py",
    "patients/phase.py",
    "tasks/page.py",
}


def test_every_handler_of_a_route_with_a_patient_in_its_address_is_given_them() -> None:
    handlers = {
        (page.path, *page.methods): page.answer
        for page in PAGES
        if page.path.startswith("/patients/{id}")
    }
    without = {
        path
        for (path, *_), answer in handlers.items()
        if not hasattr(answer, "__wrapped__")
        or list(inspect.signature(answer.__wrapped__).parameters)
        != ["visit", "connection", "patient"]
    }
    assert without == {STREAM, AUTOSAVE}
    assert len(handlers) > 40


def test_every_handler_of_a_route_with_an_appointment_in_its_address_is_given_it() -> None:
    answers = [page.answer for page in PAGES if page.path.startswith("/calendar/events/{id}")]
    assert len(answers) > 3
    for answer in answers:
        handler = getattr(answer, "__wrapped__", answer)
        assert list(inspect.signature(handler).parameters) == ["visit", "connection", "appointment"]


def test_nobody_loads_a_patient_beside_the_routes() -> None:
    loading = {
        str(path.relative_to(PORTAL))
        for path in PORTAL.glob("*/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "patient_access.patient"
    }
    assert loading == LOADS


def test_who_is_given_a_connection_asks_for_no_other() -> None:
    wrong = [
        f"{path.relative_to(PORTAL)}: {function.name}"
        for path in PORTAL.rglob("*.py")
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.AsyncFunctionDef)
        and "connection" in {argument.arg for argument in function.args.args}
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and node.attr in {"connection", "transaction"}
        and ast.unparse(node.value).endswith(".database")
    ]
    assert not wrong


async def test_nothing_is_drawn_while_a_connection_is_held(database: Database) -> None:
    async with database.connection():
        with pytest.raises(HoldingError, match="a page to be drawn"):
            TemplateResponse(cast(Any, None), "portal/portal.html", None, 200, {}).draw()
