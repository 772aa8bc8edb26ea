"""What calls and visits have in common: the patient by the later edition's name, and what they may
refer to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from almoner.data_api.declare import PATIENT, Row, RuleQuestion
from almoner.errors import Problem
from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Problems


def later_patient_reference(about: str) -> Field:
    """``patient_id``: the patient that a row of one of the later edition's collections is about, in
    both shapes; ``user_id`` is taken as well.
    """
    return Field(
        "patient_id",
        PATIENT,
        about,
        required=True,
        update=False,
        aliases=("user_id",),
        filter_aliases=("user_id",),
        label="Patient",
    )


def of_same_patient(field: str, collection: str) -> RuleQuestion:
    """Refuses a row of this collection in ``field`` that is about another patient."""

    def belongs(row: Row, records: Sequence[Mapping[str, Any]], problems: Problems) -> None:
        if records:
            thing = collection.removesuffix("s").replace("_", " ")
            detail = f"The {thing} at .{field} belongs to another patient than .patient_id."
            problems.append(Problem("bad_request", detail, {"path": f".{field}"}))

    return RuleQuestion(
        asked=lambda body: body.get(field) is not None,
        sql=(
            f"SELECT r.id FROM {collection} r JOIN patients p ON p.environment_id = $1"
            " AND p.id = almoner_current_patient($1, $3::uuid)"
            " WHERE r.environment_id = $1 AND r.id = $2::uuid AND r.user_id <> p.id"
        ),
        fields=(field, "patient_id"),
        rule=belongs,
    )
