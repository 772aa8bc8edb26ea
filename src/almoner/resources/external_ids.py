"""Mappings between ids here and ids in other systems (contract: External Ids)."""

from almoner.data_api.declare import CREATED_AT, ID, UPDATED_AT, Resource, Unique, Verb
from almoner.data_api.indexed import Search
from almoner.data_api.presented import Presented
from almoner.resources._names import NAMES
from almoner.vocabulary.choices import Choice
from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Guid, Text

COLLECTIONS = tuple(name for name in NAMES if name != "external_ids")

EXTERNAL_ID = Search("external_id", "{row}external_id")

external_ids = Resource(
    name="external_ids",
    title="External Ids",
    singular="external id",
    about="Mappings between the ids of this system and those of others, each in a namespace.",
    provisional=True,
    verbs=(Verb.GET, Verb.UPDATE, Verb.CREATE, Verb.FIND),
    patient=None,
    any_reference=("resource", "welkin_id"),
    unique=(
        Unique(
            ("namespace", "external_id"),
            ".external_id",
            "This external id is taken in its namespace",
        ),
        Unique(
            ("namespace", "welkin_id", "resource"),
            ".welkin_id",
            "This resource has an external id in this namespace already",
        ),
    ),
    searches=(EXTERNAL_ID,),
    # By what a merge writes, programs that know the other record find this one.
    presented=Presented(
        things="Ids in other systems",
        named="namespace",
        page="contact",
        slug="ids",
        where="namespace NOT LIKE 'merged:%'",
    ),
    fields=(
        ID,
        Field(
            "resource",
            Choice(COLLECTIONS),
            "The collection that welkin_id is in.",
            required=True,
            filter=True,
            sample="patients",
        ),
        Field(
            "namespace",
            Text(),
            "Whose id it is. Any string.",
            required=True,
            filter=True,
            sample="kiwihealth",
            label="System",
            help="Whose id it is, as its integration calls it.",
        ),
        Field(
            "external_id",
            Text(),
            "The id in the other system. Any string.",
            required=True,
            filter=True,
            sample="MRN-20417",
            label="ID there",
            help="",
        ),
        Field(
            "welkin_id",
            Guid(),
            "The id here. It must exist in the collection.",
            required=True,
            filter=True,
            label="Whose id it is",
        ),
        Field("updated_at", UPDATED_AT.kind, "", create=False, update=False, returned=False),
        Field("created_at", CREATED_AT.kind, "", create=False, update=False, returned=False),
    ),
)
