"""What a declaration may not say, and what pages leave out of what it says."""

from __future__ import annotations

import pytest

from almoner.data_api.declare import CREATED_AT, ID, PATIENT, UPDATED_AT, Resource, Verb, complete
from almoner.portal.values import value_fields
from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Ref, Text

NAME = Field("name", Text(), "What it is called.", required=True, sample="North")


def declared(*fields: Field, patient: str | None = "user_id") -> Resource:
    return Resource(
        name="notes",
        title="Notes",
        singular="note",
        about="What is noted.",
        verbs=(Verb.GET,),
        fields=(ID, *fields, NAME, UPDATED_AT, CREATED_AT),
        patient=patient,
    )


def test_a_collection_whose_rows_are_about_a_patient_has_the_field_that_tells_which() -> None:
    with pytest.raises(
        ValueError, match=r"notes has no field user_id.*patient_reference.*patient=None"
    ):
        complete(declared())
    none, whose = (
        declared(patient=None),
        declared(Field("user_id", PATIENT, "Whose note it is.", required=True)),
    )
    assert (complete(none), complete(whose)) == (none, whose)


@pytest.mark.parametrize("kind", [PATIENT, Ref("patients")])
def test_whom_a_row_is_about_is_none_of_what_it_says_however_it_is_declared(kind: Ref) -> None:
    assert value_fields(declared(Field("user_id", kind, "Whose note it is.", required=True))) == (
        NAME,
    )
