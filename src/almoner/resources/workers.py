"""Workers: the people who log in to the Coach Portal (contract: Workers)."""

from almoner.data_api.declare import (
    CREATED_AT,
    ID,
    UPDATED_AT,
    Related,
    Resource,
    Row,
    Unique,
    Verb,
)
from almoner.vocabulary.choices import Choice
from almoner.vocabulary.contact_kinds import Name, Phone
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Email
from almoner.vocabulary.times import Timezone


def calendar(row: Row, program: Program) -> tuple[Related, ...]:
    """Each worker has exactly one calendar, made with the worker (clarification 18)."""
    return (Related("calendars", {"worker_id": row["id"]}, ".id"),)


workers = Resource(
    name="workers",
    title="Workers",
    singular="worker",
    about=(
        "The people who give care. A worker is a patient's primary coach where the patient's"
        " coach_id names them."
    ),
    verbs=(Verb.GET, Verb.FIND),
    patient=None,
    on_create=calendar,
    notes=("Of the filters `email` and `phone` one must hold, where both are given.",),
    unique=(Unique(("email",), ".email", "A worker with this e-mail address exists already"),),
    fields=(
        ID,
        Field(
            "email",
            Email(),
            "E-mail address, which is also the name to sign in with.",
            required=True,
            filter=True,
            filter_either="person",
            label="E-mail",
            help="Also the name to sign in with.",
        ),
        Field(
            "first_name",
            Name(),
            "Given name.",
            required=True,
            sample="Emily",
            label="Given name",
            help="",
        ),
        Field(
            "last_name",
            Name(),
            "Family name.",
            required=True,
            sample="Smith",
            label="Family name",
            help="",
        ),
        Field(
            "phone_number",
            Phone(),
            "Direct line.",
            filter=True,
            filter_as="phone",
            indexed=False,
            filter_either="person",
            label="Direct line",
            help="",
        ),
        Field(
            "timezone",
            Timezone(),
            "The time zone of the working hours.",
            required=True,
            sample="US/Eastern",
            label="Time zone",
        ),
        Field(
            "gender",
            Choice(("Male", "Female", "Unknown", "Other", "Transgender", "Decline")),
            "Gender, where it is known.",
            sample="Transgender",
        ),
        UPDATED_AT,
        CREATED_AT,
    ),
)
