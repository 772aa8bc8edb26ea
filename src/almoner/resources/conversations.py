"""Conversations: where the messages between a patient and the workers are kept (contract:
Conversations).
"""

from almoner.data_api.declare import CREATED_AT, ID, UPDATED_AT, Resource, Verb, patient_reference
from almoner.data_api.presented import Presented
from almoner.vocabulary.choices import Choice
from almoner.vocabulary.fields import MORE, Field, FormSection
from almoner.vocabulary.kinds import Text

# The later edition's names: what was the program's own app is ``welkin_app`` there, and ``app`` is
# somebody else's.
LATER_TYPES = (("welkin_app", "app"), ("app", "third_party_app"), ("sms", "phone"))

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
            Choice(("app", "third_party_app", "phone", "email"), LATER_TYPES),
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
