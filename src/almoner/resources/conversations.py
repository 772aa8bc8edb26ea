"""Conversations: where the messages between a patient and the workers are kept (contract:
Conversations).
"""

from typing import Final

from almoner.data_api.declare import CREATED_AT, ID, UPDATED_AT, Resource, Verb, patient_reference
from almoner.data_api.presented import Presented
from almoner.vocabulary.choices import Choice
from almoner.vocabulary.fields import MORE, Field, FormSection
from almoner.vocabulary.kinds import Text

# The later edition's names: what was the program's own app is ``welkin_app`` there, and ``app`` is
# somebody else's.
LATER_TYPES = (("welkin_app", "app"), ("app", "third_party_app"), ("sms", "phone"))
# What people read for the types, wherever one is named.
CHANNEL: Final = Choice(
    ("app", "third_party_app", "phone", "email"),
    LATER_TYPES,
    words=(("phone", "SMS"), ("email", "E-mail"), ("third_party_app", "Another app")),
)
# In the order in which people are offered them.
CHANNELS: Final = {
    value: CHANNEL.in_words(value) for value in ("phone", "email", "app", "third_party_app")
}

conversations = Resource(
    name="conversations",
    title="Conversations",
    singular="conversation",
    about="Written conversations with a patient. A patient may have several of one type.",
    verbs=(Verb.GET, Verb.CREATE, Verb.FIND),
    presented=Presented(named="", place="", in_timeline=False),
    sections=(FormSection("conversation", "Conversation", ("conversation_type",)), MORE),
    fields=(
        ID,
        patient_reference("The patient whom the conversation is with."),
        Field(
            "conversation_type",
            CHANNEL,
            "How the messages travel: the program's own app, somebody else's, SMS or e-mail. Null"
            " when not given.",
            sample="phone",
        ),
        Field(
            "title",
            Text(),
            "What the conversation is about.",
            only_enveloped=True,
            sample="Getting started",
        ),
        UPDATED_AT,
        CREATED_AT,
    ),
)
