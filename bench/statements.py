"""Almoner's own statements for the three operations, as data: for the bare handler and for
pgbench.
"""

from __future__ import annotations

from dataclasses import dataclass

from almoner.data_api import statements as sql
from almoner.resources.patients import patients
from almoner.vocabulary.fields import MISSING, Shape

# What a connection of Almoner's pool is set to.
SESSION = {"timezone": "UTC", "jit": "off", "plan_cache_mode": "force_generic_plan"}
# What the columns of a patient are that a body leaves out.
LEFT_OUT = {
    field.name: None if field.default is MISSING else field.default for field in patients.writable
}


@dataclass(frozen=True)
class Statement:
    """SQL with ``$1`` to ``$n``, and what each of these stands for: a column of the patient, or one
    of these.

    ``environment_id``, ``from``, ``to``, ``after`` (the id behind which a page begins), ``limit``
    (one more than the page holds), ``actor``, ``through``, ``request_id``. Each row of the answer
    has ``body``: the patient as JSON, in bytes."""

    sql: str
    arguments: tuple[str, ...]


def statements() -> dict[str, Statement]:
    """The statements of get, find and create, in the documented shape."""
    columns = tuple(field.name for field in patients.writable)
    return {
        "get": Statement(sql.get(patients, Shape.DOCUMENTED), ("environment_id", "id")),
        "find": Statement(
            sql.find(patients, Shape.DOCUMENTED, ()),
            ("environment_id", "from", "after", "to", "limit"),
        ),
        "create": Statement(
            sql.insert(patients, Shape.DOCUMENTED),
            ("environment_id", "id", *columns, "actor", "through", "request_id"),
        ),
    }
