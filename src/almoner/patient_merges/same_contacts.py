"""A number or an address that two records have becomes one where they are merged, with the stricter
of each consent.

Two rows of one number could say the opposite of each other, and whoever looks at one of them calls
or writes against the other. The kept record's row stays; what was recorded of the other one's
consents is copied to it, so that it has both histories, and the ids that other systems have for the
other one's row lead to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from almoner.data_api.declare import Resource, Row
from almoner.data_api.store import Store
from almoner.data_api.writes import Actor
from almoner.database import Connection
from almoner.resources._consents import consents_of
from almoner.resources.email_addresses import email_addresses
from almoner.resources.external_ids import external_ids
from almoner.resources.phone_numbers import phone_numbers

# Parameters: the environment, the kept record, the other one. Each row of the other one, with the
# oldest same one of the kept one.
_SAME: Final = """
SELECT DISTINCT ON (o.created_at, o.id) row_to_json(k)::text AS survivor,
  row_to_json(o)::text AS other
FROM {table} o JOIN {table} k ON k.environment_id = $1 AND k.user_id = $2
    AND {key_of_kept} = {key_of_other}
WHERE o.environment_id = $1 AND o.user_id = $3 ORDER BY o.created_at, o.id, k.created_at, k.id
"""
_KEYS: Final = ((phone_numbers, "{row}.phone_number"), (email_addresses, "lower({row}.email)"))
# Parameters: the environment, the kept record, its row, the other one's row. What is recorded of a
# consent is never rewritten.
_COPY_RECORDS: Final = """
INSERT INTO consent_records
  (environment_id, patient_id, resource, row_id, consent, given, how, received_on, note,
      recorded_by, recorded_at)
SELECT environment_id, $2, resource, $3, consent, given, how, received_on, note, recorded_by,
    recorded_at
FROM consent_records WHERE environment_id = $1 AND row_id = $4 ORDER BY id
"""
# Parameters: the environment, the collection, the other one's row, the kept one. The ids that other
# systems gave to the row, but for those in namespaces in which the kept one has an id already.
_MAPPINGS: Final = """
SELECT o.id::text FROM external_ids o WHERE o.environment_id = $1 AND o.resource = $2
    AND o.welkin_id = $3 AND NOT EXISTS (
  SELECT FROM external_ids k WHERE k.environment_id = $1 AND k.resource = $2 AND k.welkin_id = $4
      AND k.namespace = o.namespace
) ORDER BY o.id
"""


@dataclass(frozen=True)
class SameContact:
    """A number or an address of both records: its rows as the database has them."""

    resource: Resource
    survivor: Row
    other: Row

    @property
    def words(self) -> str:
        """The number or the address itself."""
        return str(self.survivor[self.resource.named])

    def refused(self) -> Iterator[str]:
        """What each consent is called that one of the two has given and the other has not."""
        return (
            title
            for name, title in consents_of(self.resource).items()
            if bool(self.survivor[name]) != bool(self.other[name])
        )

    def changes(self) -> dict[str, Any]:
        """What of the kept row becomes another value: a consent that only it had given; what it
        does not say and the other does.
        """
        changed: dict[str, Any] = {
            name: False
            for name in consents_of(self.resource)
            if self.survivor[name] and not self.other[name]
        }
        if self.other["verified"] and not self.survivor["verified"]:
            changed["verified"] = True
        if self.other["friendly_name"] and not self.survivor["friendly_name"]:
            changed["friendly_name"] = self.other["friendly_name"]
        return changed


async def same_contacts(
    connection: Connection, environment_id: int, kept_id: str, other_id: str
) -> list[SameContact]:
    """The numbers and addresses that both records have, the oldest first."""
    contacts: list[SameContact] = []
    for resource, key in _KEYS:
        statement = _SAME.format(
            table=resource.name, key_of_kept=key.format(row="k"), key_of_other=key.format(row="o")
        )
        rows = await connection.fetch(statement, environment_id, kept_id, other_id)
        contacts += [
            SameContact(
                resource, msgspec.json.decode(row["survivor"]), msgspec.json.decode(row["other"])
            )
            for row in rows
        ]
    return contacts


async def unite(
    connection: Connection, store: Store, by: Actor, kept_id: str, same: list[SameContact]
) -> None:
    """Makes one row of each two, in the transaction that ``connection`` and ``store`` are in."""
    changes: dict[str, dict[str, Any]] = {}
    for contact in same:
        # Where several rows of the other record are one number, each of their refusals counts.
        changes.setdefault(contact.survivor["id"], {}).update(contact.changes())
        await connection.execute(
            _COPY_RECORDS, by.environment_id, kept_id, contact.survivor["id"], contact.other["id"]
        )
        parameters = (contact.resource.name, contact.other["id"], contact.survivor["id"])
        for mapping in await connection.fetch(_MAPPINGS, by.environment_id, *parameters):
            await store.update(
                by, external_ids, mapping["id"], {"welkin_id": contact.survivor["id"]}, None
            )
        await store.delete(by, contact.resource, contact.other["id"], None)
    for contact in same:
        if changed := changes.pop(contact.survivor["id"], None):
            await store.update(by, contact.resource, contact.survivor["id"], changed, None)
