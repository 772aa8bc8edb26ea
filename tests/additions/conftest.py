"""One clone for all tests of what a site adds: a field of every collection, some of several, and a
collection about a patient that is one file.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from almoner import embedded, resources
from almoner.resources._names import NAMES
from tests.additions.clone import Site, served

# What stands behind the fields of a collection, and the import that each has.
BEHIND = re.compile(
    r'^        (?:UPDATED_AT,|replace\(UPDATED_AT|Field\("updated_at")', re.MULTILINE
)
IMPORT = "from almoner.data_api.declare import "
NOTE = """\
        Field("site_note", kinds.Text(), "What the site notes of it.", sample="as a site says"),
"""
PREFERRED = (
    '        Field("preferred_name", Text(), "How the patient wants to be called.",'
    ' sample="Ada"),\n'
)
KINDS = """\
        Field("diets", choices.Several(("vegan", "no_nuts")), "What they eat."),
        Field("nicknames", kinds.Texts(), "What friends call them."),
        Field("wishes", kinds.Json(), "What they wish for."),
        Field("shoe_size", numbers.Number(), "The size of their shoes."),
        Field("children", numbers.Integer(), "How many children they have."),
"""
BEST_TIME = '        Field("best_time", Text(), "When somebody is there."),\n'
BELONGS_TO = '        Field("belongs_to", Text(), "Whose it is."),\n'
URGENT = '        Field("is_urgent", Boolean(), "Whether it cannot wait.", default=False),\n'
CONFIRMED = '        Field("is_confirmed", Boolean(), "Whether somebody asked.", default=False),\n'
TONE = '        Field("tone", Text(), "How it sounded."),\n'
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
    added = {
        "patients": PREFERRED + KINDS,
        "calendar_events": ROOM,
        "phone_numbers": BEST_TIME,
        "email_addresses": BELONGS_TO,
        "patient_tasks": URGENT,
        "custom_data_type_records": CONFIRMED,
        "messages": TONE,
    }
    changed = {f"{name}.py": with_fields(name, added.get(name, "") + NOTE) for name in NAMES}
    changed["allergies.py"] = ALLERGIES
    with served(empty, tmp_path_factory.mktemp("site"), changed, patients=6) as running:
        yield running


@pytest.fixture(scope="session")
def elsewhere(site: Site) -> Iterator[httpx.Client]:
    """A program of another environment of the same site, with a token."""
    site.command("environment", "create", "elsewhere")
    of = ("--environment", "elsewhere")
    program = site.command("workshop", "show", "--environment", "demo")
    (site.folder / "elsewhere.yaml").write_text(program)
    site.command("workshop", "publish", "elsewhere.yaml", *of)
    client = json.loads(site.command("client", "create", "--name", "Other", *of, "--json"))
    token = site.command("token", "create", "--client", client["client_id"], *of, "--print")
    headers = {"Authorization": f"Bearer {token.strip()}"}
    with httpx.Client(base_url=site.api.base_url, timeout=60, headers=headers) as api:
        yield api


def with_fields(collection: str, fields: str) -> str:
    """The text of a collection's file with further fields in it."""
    text = Path(resources.__path__[0], f"{collection}.py").read_text()
    text, number = BEHIND.subn(lambda match: fields + match[0], text, count=1)
    assert number == 1, collection
    assert IMPORT in text, collection
    return text.replace(
        IMPORT, f"from almoner.vocabulary import choices, kinds, numbers\n{IMPORT}", 1
    )
