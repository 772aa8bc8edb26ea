"""Patients as a hospital's system announces them: ADT messages of HL7 v2
(docs/howto/receive-adt.md).

What arrives over a connection becomes a job (``hl7_listener``); this is what such a job does, one
after another in the order in which the messages came."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated, Final

import msgspec

from almoner.data_api import find
from almoner.data_api.declare import Row
from almoner.errors import ApiError, Problem
from almoner.integrations.again import is_earlier_run
from almoner.integrations.declare import Integration, IntegrationError, OfHost
from almoner.integrations.hl7_codes import SEXES
from almoner.integrations.task import Task

_MERGE: Final = "A40"
# So many later tasks about a patient are looked at.
_LATER: Final = 100


class Hl7v2AdtSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``phase`` and ``timezone`` are what a patient is created with, which no message says.

    ``listen`` is host and port. ``namespaces`` has the namespace of external ids for each assigning
    authority whose ids count; while it is empty, each authority's own name is one. ``charset`` is
    what messages are in that do not say so. Other machines send over TLS, for which there are a
    certificate and its key, and perhaps an authority whose certificates senders must have; or in
    the clear, where ``allow_plain`` says so."""

    phase: Annotated[str, msgspec.Meta(description="Where in the program a new patient begins.")]
    timezone: Annotated[str, msgspec.Meta(description="Of a new patient, such as US/Eastern.")]
    listen: OfHost = OfHost("127.0.0.1:2575")
    namespaces: Annotated[
        dict[str, str],
        msgspec.Meta(description="The system of the ids of each authority that counts."),
    ] = {}
    charset: Annotated[
        str, msgspec.Meta(description="Of messages that do not say so, such as utf-8.")
    ] = "utf-8"
    certificate_file: OfHost = OfHost("")
    key_file: OfHost = OfHost("")
    client_ca_file: OfHost = OfHost("")
    allow_plain: bool = False
    idle_seconds: Annotated[
        int, msgspec.Meta(description="A connection that is quiet for so long is closed.")
    ] = 600
    connections: Annotated[int, msgspec.Meta(description="So many are open at once.")] = 64

    def __post_init__(self) -> None:
        host, port = self.address
        if not 0 <= port <= 65535:
            raise ValueError("`listen` is an address and a port, as 127.0.0.1:2575")
        if bool(self.certificate_file) != bool(self.key_file):
            raise ValueError("`certificate_file` and `key_file` go together")
        if self.client_ca_file and not self.certificate_file:
            raise ValueError("`client_ca_file` goes with a `certificate_file`")
        if not (self.certificate_file or self.allow_plain or ip_address(host).is_loopback):
            raise ValueError(
                "`listen` is open to other machines: set `certificate_file` and `key_file`, or"
                " `allow_plain` where the network keeps others from reading"
            )
        try:
            "".encode(self.charset)
        except LookupError:
            raise ValueError("`charset` is a character set such as utf-8 or iso8859-1") from None

    @property
    def address(self) -> tuple[str, int]:
        """Where connections are taken. Raises ValueError where ``listen`` is no address."""
        host, _, port = self.listen.rpartition(":")
        return str(ip_address(host.strip("[]"))), int(port)


class Identifier(msgspec.Struct, frozen=True):
    """A patient's id in another system."""

    namespace: str
    id: str


class MessageProblem(msgspec.Struct, frozen=True):
    """What is wrong at one place of a message: the segment and its number among those of its name,
    the field and the component, 0 for all of it; ``code`` is of HL7's table 0357.
    """

    segment: str
    number: int
    field: int
    code: str
    text: str
    component: int = 0

    @property
    def place(self) -> str:
        """The place as people of HL7 write it: ``PID-7``, ``PID-5.2``."""
        field = f"-{self.field}" if self.field else ""
        return f"{self.segment}{field}{f'.{self.component}' if self.component > 1 else ''}"

    @property
    def in_words(self) -> str:
        """Place and reason."""
        return f"{self.place}: {self.text}"


class Person(msgspec.Struct, frozen=True):
    """What a PID segment says. ``fields`` are those of patients; None is to be deleted."""

    ids: list[Identifier]
    fields: dict[str, str | None]
    phones: list[str]
    emails: list[str]


class Merge(msgspec.Struct, frozen=True):
    """A patient, and the ids that are theirs from now on; none where nothing is merged."""

    person: Person
    prior: list[Identifier]


class AdtMessage(msgspec.Struct, frozen=True):
    """An ADT message. One with problems was refused, and does nothing."""

    event: str
    control_id: str
    people: list[Merge]
    problems: list[MessageProblem]

    @property
    def ref_ids(self) -> list[str]:
        """The ids over there that its task works with."""
        ids = [named for entry in self.people for named in (*entry.person.ids, *entry.prior)]
        return list(dict.fromkeys([self.control_id, *map(_ref_id, ids)]))


def _ref_id(identifier: Identifier) -> str:
    return f"{identifier.namespace}:{identifier.id}"


hl7v2_adt = Integration(
    name="hl7v2_adt",
    title="HL7 v2 ADT",
    about="Takes patients and merges in, as a hospital's system announces them over MLLP.",
    settings=Hl7v2AdtSettings,
    scopes=(
        *("patients.read", "patients.write", "external_ids.read", "external_ids.write"),
        *("phone_numbers.read", "phone_numbers.write"),
        *("email_addresses.read", "email_addresses.write"),
        "integration_tasks.read",
    ),
    # One after another, in the order in which they came.
    concurrency=1,
)


@hl7v2_adt.task()
async def run_hl7v2_adt(task: Task, message: AdtMessage) -> None:
    """The whole job: one message."""
    if message.problems:
        raise ApiError([_problem(problem) for problem in message.problems])
    for entry in message.people:
        if message.event == _MERGE:
            await _merge(task, entry)
        else:
            await _refuse_late(task, entry.person)
            task.about(await _take(task, entry.person))


def _problem(wrong: MessageProblem) -> Problem:
    return Problem("parse_exception", wrong.in_words, {"path": wrong.place, "hl7_code": wrong.code})


async def _refuse_late(task: Task, person: Person) -> None:
    """Somebody has a message done again, and another one told of the patient in the meantime."""
    own = await task.store.get("integration_tasks", task.id)
    assert own is not None
    for identifier in person.ids:
        later = await task.store.find(
            "integration_tasks",
            size=_LATER,
            task_name=hl7v2_adt.task_name(run_hl7v2_adt.__name__),
            ref_id=_ref_id(identifier),
            **{find.FROM: own["created_at"]},
        )
        if any(
            row["status"] == "succeeded"
            and row["created_at"] > own["created_at"]
            and not is_earlier_run(row["errors"])
            for row in later
        ):
            raise IntegrationError(
                "superseded", "A later message about the patient was taken in meanwhile."
            )


async def _take(task: Task, person: Person) -> str:
    """The patient, found by their ids or created, with what the message says. The answer is their
    id.
    """
    user_id = await _find(task, person.ids)
    if user_id is None:
        fields = {name: value for name, value in person.fields.items() if value is not None}
        new = {"phase": task.settings.phase, "timezone": task.settings.timezone, **fields}
        user_id = (await task.store.create("patients", new))["id"]
    elif person.fields:
        await task.store.update("patients", user_id, await _changes(task, user_id, person))
    await _add_ids(task, user_id, person.ids)
    await _add_contacts(task, user_id, person)
    return user_id


async def _changes(task: Task, user_id: str, person: Person) -> Row:
    """What a message changes of a patient. What people say of their gender in words of their own is
    theirs: an administrative sex does not take its place.
    """
    changes: Row = dict(person.fields)
    if "gender" in changes:
        patient = await task.store.get("patients", user_id)
        if patient is not None and patient["gender"] not in (None, *SEXES.values()):
            del changes["gender"]
    return changes


async def _merge(task: Task, entry: Merge) -> None:
    """Two records become one, which has the ids of both; where only the prior one is known, it goes
    on under the new ids.
    """
    prior = await _find(task, entry.prior)
    if prior is not None and await _find(task, entry.person.ids) is None:
        await _rename(task, prior, entry)
    survivor = await _take(task, entry.person)
    task.about(survivor)
    if prior is not None and prior != survivor:
        await task.store.merge(survivor, prior)


async def _rename(task: Task, user_id: str, entry: Merge) -> None:
    """Has the new ids lead to the record that the prior ones did: in one namespace a record has one
    id, which becomes the new one.
    """
    new = {identifier.namespace: identifier.id for identifier in entry.person.ids}
    for identifier in entry.prior:
        for row in await _mappings(task, identifier):
            if identifier.namespace in new:
                changed = {"external_id": new[identifier.namespace]}
                await task.store.update("external_ids", row["id"], changed)
    await _add_ids(task, user_id, entry.person.ids)


async def _find(task: Task, ids: list[Identifier]) -> str | None:
    """The patient who has these ids, or the record that theirs was merged into; None where nobody
    has any. Raises IntegrationError where several have.
    """
    there: set[str] = set()
    for identifier in ids:
        for row in await _mappings(task, identifier):
            old = row["welkin_id"]
            merged = await task.store.find(
                "external_ids", namespace=f"merged:{old}", external_id=old
            )
            there.add(merged[0]["welkin_id"] if merged else old)
    if len(there) > 1:
        raise IntegrationError(
            "ids_disagree",
            "The ids of the message belong to different patients here. If they are one person,"
            " merge them on the page of either, and have this done again.",
        )
    return there.pop() if there else None


async def _add_ids(task: Task, user_id: str, ids: list[Identifier]) -> None:
    """Maps those ids that are new, in namespaces in which the patient has none."""
    rows = await task.store.find("external_ids", size=1000, resource="patients", welkin_id=user_id)
    known = {row["namespace"] for row in rows}
    for identifier in ids:
        # The id may be a merged record's, and leads here through that.
        if identifier.namespace not in known and not await _mappings(task, identifier):
            await task.store.create("external_ids", _mapping(identifier) | {"welkin_id": user_id})


async def _add_contacts(task: Task, user_id: str, person: Person) -> None:
    """Numbers and addresses that are new; none is taken away, since consents hang on them."""
    for collection, field, values, more in (
        ("phone_numbers", "phone_number", person.phones, {"phone_number_type": "other"}),
        ("email_addresses", "email", person.emails, {}),
    ):
        if not values:
            continue
        rows = await task.store.find(collection, size=1000, user_id=user_id)
        known = {row[field].lower() for row in rows}
        for value in values:
            if value.lower() not in known:
                new: Row = {"user_id": user_id, field: value, **more}
                await task.store.create(collection, new)


async def _mappings(task: Task, identifier: Identifier) -> list[Row]:
    return await task.store.find("external_ids", size=1, **_mapping(identifier))


def _mapping(identifier: Identifier) -> dict[str, str]:
    return {
        "resource": "patients",
        "namespace": identifier.namespace,
        "external_id": identifier.id,
    }
