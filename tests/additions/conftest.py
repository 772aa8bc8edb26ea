"""One clone for all tests of what a site adds: two fields, and a collection about a patient that is one file."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from almoner import embedded
from tests.additions.clone import Site, served

BEHIND = "        UPDATED_AT,\n        CREATED_AT,\n"
PREFERRED = '        Field("preferred_name", Text(), "How the patient wants to be called.", sample="Ada"),\n'
ROOM = '        Field("room", Choice(("blue_room", "garden")), "Where the two meet."),\n'


ALLERGIES = '''"""What a patient must not be given."""

from almoner.vocabulary.choices import Choice
from almoner.data_api.declare import CREATED_AT, ID, UPDATED_AT, Resource, Verb, patient_reference
from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Ref, Text
from almoner.vocabulary.times import IsoDate

allergies = Resource(
    name="allergies",
    title="Allergies",
    singular="allergy",
    about="What a patient must not be given.",
    verbs=(Verb.GET, Verb.FIND, Verb.CREATE, Verb.UPDATE, Verb.DELETE),
    fields=(
        ID,
        patient_reference("The patient who has it."),
        Field("substance", Text(), "What it is against.", required=True, sample="Penicillin"),
        Field("severity", Choice(("mild", "very_severe")), "How bad it is."),
        Field("noted_on", IsoDate(), "The day on which it was noted."),
        Field("noted_by_id", Ref("workers"), "Who noted it.", label="Noted by"),
        UPDATED_AT,
        CREATED_AT,
    ),
)
'''


@pytest.fixture(scope="session")
async def empty(postgres: str) -> AsyncIterator[str]:
    name = f"almoner_additions_{uuid.uuid4().hex[:12]}"
    yield await embedded.create_database(postgres, name)
    await embedded.drop_database(postgres, name)


@pytest.fixture(scope="session")
def site(empty: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    changes = {"patients.py": (BEHIND, PREFERRED + BEHIND), "calendar_events.py": (BEHIND, ROOM + BEHIND)}
    with served(empty, tmp_path_factory.mktemp("site"), changes, {"allergies.py": ALLERGIES}, patients=6) as running:
        yield running
