"""Whether a patient consents to SMS or calls to one of their numbers, or to e-mail to one of their
addresses.

One address may be there twice, such as after a merge of two records: a refusal at either refuses
it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from almoner.database import Connection

_PHONES: Final = """
SELECT n.user_id::text AS patient_id, n.phone_number AS address, n.friendly_name,
    n.opted_in_to_sms AS consented, n.phone_number AS same FROM phone_numbers n
WHERE n.environment_id = $1 AND n.user_id = ANY ($2::uuid[])
ORDER BY n.user_id, n.created_at, n.id
"""
_CALLED: Final = _PHONES.replace("opted_in_to_sms", "opted_in_to_phone")
_EMAILS: Final = """
SELECT n.user_id::text AS patient_id, n.email AS address, n.friendly_name,
    n.opted_in_to_email AS consented, lower(n.email) AS same FROM email_addresses n
WHERE n.environment_id = $1 AND n.user_id = ANY ($2::uuid[])
ORDER BY n.user_id, n.created_at, n.id
"""


@dataclass(frozen=True)
class _Channel:
    addresses: str
    name: str
    noun: str


# The types of conversation that need a consent.
_CHANNELS: Final[Mapping[str, _Channel]] = {
    "phone": _Channel(_PHONES, "SMS", "phone number"),
    "email": _Channel(_EMAILS, "e-mail", "e-mail address"),
}
_CALLS: Final = _Channel(_CALLED, "calls", "phone number")


@dataclass(frozen=True)
class Address:
    """A number or an address of the patient with what they call it; ``state`` says in words whether
    it is opted in.
    """

    words: str
    consented: bool
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
        return tuple(address for address in self.addresses if address.consented)


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
    channel = _CHANNELS.get(conversation_type or "")
    if channel is None:
        return dict.fromkeys(patient_ids, ChannelConsent())
    return await _consents(connection, environment_id, patient_ids, channel, hold)


async def to_calls(connection: Connection, environment_id: int, patient_id: str) -> ChannelConsent:
    """The consent to be called at each phone number of the patient."""
    return (await _consents(connection, environment_id, [patient_id], _CALLS))[patient_id]


async def _consents(
    connection: Connection,
    environment_id: int,
    patient_ids: Sequence[str],
    channel: _Channel,
    hold: bool = False,
) -> dict[str, ChannelConsent]:
    rows = await connection.fetch(
        channel.addresses + ("FOR SHARE" if hold else ""), environment_id, list(patient_ids)
    )
    of_each: dict[str, list[Mapping[str, Any]]] = {each: [] for each in patient_ids}
    for row in rows:
        of_each[row["patient_id"]].append(row)
    return {each: _consent(of_patient, channel) for each, of_patient in of_each.items()}


def _consent(rows: Sequence[Mapping[str, Any]], channel: _Channel) -> ChannelConsent:
    if not rows:
        refusal = f"The patient has no {channel.noun}, so none is opted in to {channel.name}."
        return ChannelConsent((), refusal, f"no {channel.noun}")
    refused = {row["same"] for row in rows if not row["consented"]}
    known = tuple(dict.fromkeys(_address(row, row["same"] not in refused, channel) for row in rows))
    if any(address.consented for address in known):
        return ChannelConsent(known)
    are = "is" if len(known) == 1 else "are"
    return ChannelConsent(
        known,
        f"{_joined([address.words for address in known])} {are} not opted in to {channel.name}.",
        f"not opted in to {channel.name}",
    )


def _address(row: Mapping[str, Any], consented: bool, channel: _Channel) -> Address:
    words = f"{row['address']} ({row['friendly_name']})" if row["friendly_name"] else row["address"]
    return Address(
        words, consented, f"{'opted in' if consented else 'not opted in'} to {channel.name}"
    )


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
