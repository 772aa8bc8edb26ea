"""Messages between a patient and the workers. Creating one records it; nothing is sent (contract:
Messages).
"""

from almoner.data_api.declare import (
    CREATED_AT,
    ID,
    UPDATED_AT,
    Resource,
    Row,
    Verb,
    patient_reference,
)
from almoner.data_api.indexed import IndexedPart
from almoner.data_api.presented import Presented
from almoner.errors import Problem
from almoner.resources._entered_in_error import ENTERED_IN_ERROR
from almoner.resources._entered_in_error import NAMES as ERROR_NAMES
from almoner.vocabulary.choices import Choice
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.fields import MORE, NOW, Field, FormSection
from almoner.vocabulary.kinds import Boolean, LongText, Problems, Ref, Text
from almoner.vocabulary.times import IsoDateTime

# What came in and nobody has read. As long as people read what is written to them, that is a small
# part of all messages.
UNREAD = "direction = 'inbound' AND read_at IS NULL"
# What a program has sent: nobody has spoken with the patient by it, and it answers nobody.
BY_A_PROGRAM = "(direction = 'outbound' AND automatically_sent IS TRUE)"


def inbound_has_no_worker(row: Row) -> None:
    """The contract's own example names one all the same: it is kept null (clarification 17)."""
    if row.get("direction") == "inbound":
        row["worker_id"] = None


def sent_by_a_worker_when_outbound(row: Row, program: Program, problems: Problems) -> None:
    """Outbound needs a worker (clarification 17)."""
    if row.get("direction") == "outbound" and row.get("worker_id") is None:
        hint = "an outbound message needs the worker who sent it"
        problems.append(
            Problem(
                "parse_exception",
                f"Failed to parse guid at .worker_id: {hint}",
                {"path": ".worker_id"},
            )
        )


messages = Resource(
    name="messages",
    title="Messages",
    singular="message",
    about=(
        "Messages to and from a patient. A Create records a message that was sent elsewhere; it"
        " sends nothing."
    ),
    verbs=(Verb.GET, Verb.CREATE, Verb.FIND),
    settle=inbound_has_no_worker,
    checks=(sent_by_a_worker_when_outbound,),
    checked_fields=frozenset({"direction", "worker_id"}),
    happened="send_time",
    # By conversation, so that they are counted and the newest of each is found without a look at
    # the messages themselves.
    parts=(IndexedPart("unread", ("user_id", "conversation_id", "send_time", "id"), UNREAD),),
    marks=(
        Field("read_at", IsoDateTime(), "When it was first read."),
        Field("read_by", Text(), "The actor who did."),
    ),
    presented=Presented(named="", place=""),
    sections=(
        FormSection(
            "message",
            "Message",
            (
                "worker_id",
                "conversation_id",
                "direction",
                "contents",
                "automatically_sent",
                "send_time",
                *ERROR_NAMES,
            ),
        ),
        MORE,
    ),
    fields=(
        ID,
        patient_reference("The patient who sent or received it."),
        Field("worker_id", Ref("workers"), "The worker who sent it; null for an inbound message."),
        Field(
            "conversation_id",
            Ref("conversations", within="user_id"),
            "The conversation that it is part of; it must be with the same patient.",
            required=True,
        ),
        Field(
            "direction",
            Choice(("inbound", "outbound")),
            "From the patient, or to the patient.",
            required=True,
            sample="outbound",
        ),
        Field(
            "contents",
            LongText(),
            "The text.",
            required=True,
            sample="Hello Grace, how was the walk?",
        ),
        Field(
            "automatically_sent",
            Boolean(),
            "Whether a program sent it rather than a person.",
            default=False,
            create=False,
            update=False,
            sample=False,
        ),
        Field(
            "send_time",
            IsoDateTime(),
            "When it was sent; the moment of the Create when left out.",
            default=NOW,
        ),
        *ENTERED_IN_ERROR,
        UPDATED_AT,
        CREATED_AT,
    ),
)
