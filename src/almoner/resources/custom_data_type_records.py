"""Structured data about a patient whose form the program defines (contract: Custom Data Type
Records).
"""

from almoner.data_api.declare import (
    CREATED_AT,
    ID,
    UPDATED_AT,
    Resource,
    Row,
    Unique,
    Verb,
    patient_reference,
)
from almoner.data_api.presented import Presented
from almoner.vocabulary.choices import ProgramChoice
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.fields import MORE, Field, FormSection
from almoner.vocabulary.kinds import AnyObject, Boolean, Problems
from almoner.vocabulary.numbers import Integer


def fits_its_type(row: Row, program: Program, problems: Problems) -> None:
    """The body must satisfy the newest published version of its type (clarification 19).

    A new record is marked where the type allows one of a patient. An Update leaves the mark:
    patients keep what they had while a type allowed several."""
    data_type = program.custom_data_types.get(row.get("type_name") or "")
    if data_type is None:
        return
    row["version"] = data_type.version
    if "id" not in row:
        row["single"] = data_type.single
    if type(row.get("body")) is dict:
        row["body"] = data_type.body.keep(row["body"], ".body", problems)


custom_data_type_records = Resource(
    name="custom_data_type_records",
    title="Custom Data Type Records",
    singular="custom data type record",
    about=(
        "Records of the program's own data types. The program tells whether a patient has one or"
        " several of a type."
    ),
    verbs=(Verb.GET, Verb.UPDATE, Verb.CREATE, Verb.FIND),
    checks=(fits_its_type,),
    checked_fields=frozenset({"body"}),
    unique=(
        Unique(
            ("user_id", "type_name"),
            ".type_name",
            "A patient has one record of this type, and this patient has it already; update it",
            where="single",
        ),
    ),
    presented=Presented(
        "record", "Records", "type_name", versions=("version",), place="/records/{id}"
    ),
    sections=(FormSection("record", "Record", ("body", "type_name")), MORE),
    fields=(
        ID,
        Field(
            "body",
            AnyObject(),
            "The record, by the names of the type's fields.",
            required=True,
            update_required=True,
            sample={
                "name": "Frank Smith",
                "suffix": "MD",
                "practice_name": "Boston Medical Group",
                "office_id": "e32ac52",
                "specialty": "internal medicine",
            },
        ),
        patient_reference("The patient whom the record is about."),
        Field(
            "type_name",
            ProgramChoice("custom_data_types"),
            "Name of the data type, as the program defines it.",
            required=True,
            update=False,
            filter=True,
            sample="hcp",
        ),
        UPDATED_AT,
        CREATED_AT,
        Field("version", Integer(), "", create=False, update=False, returned=False),
        Field("single", Boolean(), "", default=False, create=False, update=False, returned=False),
    ),
)
