"""Whether a patient consents to SMS or calls to one of their numbers, or to e-mail to one of their
addresses.

One address may be there twice, such as after a merge of two records: a refusal at either refuses
it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from almoner.database import Connection
from almoner.resources._consent_answers import answer_sql
from almoner.resources._contact_channels import (
    CONTACT_CHANNELS,
    OF_CONVERSATIONS,
    ContactChannel,
)
from almoner.vocabulary.consent_words import Answer, agreement


@dataclass(frozen=True)
class Address:
    """A number or an address of the patient with what they call it, and the answer there;
    ``state`` says that in words.
    """

    words: str
    answer: Answer
    state: str


@dataclass(frozen=True)
class ChannelConsent:
    """Every number or address; ``refusal`` says why none of them may be written to or called, blank
    where one may, and ``why`` the same without naming one.
    """

    addresses: tuple[Address, ...] = ()
    refusal: str = ""
    why: str = ""

    @property
    def usable(self) -> tuple[Address, ...]:
        """Those that may be written to or called."""
        return tuple(address for address in self.addresses if address.answer == "yes")


async def consent(
    connection: Connection,
    environment_id: int,
    patient_id: str,
    conversation_type: str | None,
    hold: bool = False,
) -> ChannelConsent:
    """The consent for a type of conversation; other types than SMS and e-mail need none.

    ``hold``: it stays as it is until the transaction of the connection ends.
    """
    of = (connection, environment_id, [patient_id])
    return (await consents_of(*of, conversation_type, hold))[patient_id]


async def consents_of(
    connection: Connection,
    environment_id: int,
    patient_ids: Sequence[str],
    conversation_type: str | None,
    hold: bool = False,
) -> Mapping[str, ChannelConsent]:
    """The same of each of these patients."""
    channel = OF_CONVERSATIONS.get(conversation_type or "")
    if channel is None:
        return dict.fromkeys(patient_ids, ChannelConsent())
    return await _consents(connection, environment_id, patient_ids, channel, hold)


async def to_calls(connection: Connection, environment_id: int, patient_id: str) -> ChannelConsent:
    """The consent to be called at each phone number of the patient."""
    return (await _consents(connection, environment_id, [patient_id], CONTACT_CHANNELS["calls"]))[
        patient_id
    ]


async def _consents(
    connection: Connection,
    environment_id: int,
    patient_ids: Sequence[str],
    channel: ContactChannel,
    hold: bool = False,
) -> dict[str, ChannelConsent]:
    rows = await connection.fetch(
        _addresses_sql(channel) + ("FOR SHARE OF n" if hold else ""),
        environment_id,
        list(patient_ids),
    )
    of_each: dict[str, list[Mapping[str, Any]]] = {each: [] for each in patient_ids}
    for row in rows:
        of_each[row["patient_id"]].append(row)
    return {each: _consent(of_patient, channel) for each, of_patient in of_each.items()}


def _addresses_sql(channel: ContactChannel) -> str:
    return f"""
SELECT n.user_id::text AS patient_id, n.{channel.resource.named} AS address, n.friendly_name,
  {answer_sql("n", "n.user_id", channel.consent)} AS answer, {channel.same.format(row="n")} AS same
FROM {channel.resource.name} n WHERE n.environment_id = $1 AND n.user_id = ANY ($2::uuid[])
ORDER BY n.user_id, n.created_at, n.id
"""


def _consent(rows: Sequence[Mapping[str, Any]], channel: ContactChannel) -> ChannelConsent:
    if not rows:
        return ChannelConsent((), f"The patient has no {channel.noun}.", f"no {channel.noun}")
    of_address: dict[str, set[Answer]] = {}
    for row in rows:
        of_address.setdefault(row["same"], set()).add(row["answer"])
    known = tuple(
        dict.fromkeys(_address(row, _strictest(of_address[row["same"]]), channel) for row in rows)
    )
    if any(address.answer == "yes" for address in known):
        return ChannelConsent(known)
    at_each = "; ".join(f"{address.words}: {address.state}" for address in known)
    all_in_all = _strictest({address.answer for address in known})
    return ChannelConsent(known, f"{at_each}.", agreement(all_in_all, channel.within))


def _strictest(answers: set[Answer]) -> Answer:
    """What of several answers counts: a refusal before that nobody asked, and that before a yes."""
    order: Sequence[Answer] = ("no", "never asked", "yes")
    return next(answer for answer in order if answer in answers)


def _address(row: Mapping[str, Any], answer: Answer, channel: ContactChannel) -> Address:
    words = f"{row['address']} ({row['friendly_name']})" if row["friendly_name"] else row["address"]
    return Address(words, answer, agreement(answer, channel.within))
