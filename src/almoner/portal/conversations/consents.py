"""Whether a patient consents to what a conversation is: SMS to one of their numbers, e-mail to one of their addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from almoner.database import Connection

_PHONES: Final = """
SELECT n.phone_number AS address, n.friendly_name, n.opted_in_to_sms AS given FROM phone_numbers n
WHERE n.environment_id = $1 AND n.user_id = $2 ORDER BY n.created_at, n.id
"""
_EMAILS: Final = """
SELECT n.email AS address, n.friendly_name, n.opted_in_to_email AS given FROM email_addresses n
WHERE n.environment_id = $1 AND n.user_id = $2 ORDER BY n.created_at, n.id
"""


@dataclass(frozen=True)
class _Channel:
    addresses: str
    name: str
    one: str


# The types of conversation that need a consent.
_CHANNELS: Final[Mapping[str, _Channel]] = {
    "phone": _Channel(_PHONES, "SMS", "phone number"),
    "email": _Channel(_EMAILS, "e-mail", "e-mail address"),
}


@dataclass(frozen=True)
class Consent:
    """Where the patient may be written to in a conversation; ``refusal`` says why they may not, blank where they may."""

    addresses: tuple[str, ...] = ()
    refusal: str = ""


async def consent(
    connection: Connection, environment_id: int, patient_id: str, conversation_type: str | None, hold: bool = False
) -> Consent:
    """The consent for a type of conversation; other types than SMS and e-mail need none.

    ``hold``: it stays as it is until the transaction of the connection ends.
    """
    channel = _CHANNELS.get(conversation_type or "")
    if channel is None:
        return Consent()
    rows = await connection.fetch(channel.addresses + ("FOR SHARE" if hold else ""), environment_id, patient_id)
    given = tuple(row["address"] for row in rows if row["given"])
    if given:
        return Consent(given)
    if not rows:
        return Consent((), f"The patient has no {channel.one}, so none is opted in to {channel.name}.")
    named = [f"{row['address']} ({row['friendly_name']})" if row["friendly_name"] else row["address"] for row in rows]
    are = "is" if len(named) == 1 else "are"
    return Consent((), f"{_joined(named)} {are} not opted in to {channel.name}.")


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
