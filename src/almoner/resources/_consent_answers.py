"""What a patient says of a consent, in SQL: yes, no, or nothing yet, since nobody asked. It is
answered in these three wherever it is answered.
"""

from __future__ import annotations

from typing import Final

from almoner.resources._contact_channels import ContactChannel

# How an answer was received that takes the one before it back: as if nobody had asked.
UNDONE: Final = "undone"


def answer_sql(row: str, patient: str, consent: str) -> str:
    """An answer in SQL, of a consent of ``row``, of the patient whose id is ``patient``; ``$1``
    is the environment. One that is not given was refused where a record says so that was not taken
    back, or another system has changed it: what a row began with says nothing. A row that nobody
    changed is in no need of the change log.
    """
    records = (
        f"FROM consent_records k WHERE k.environment_id = $1 AND k.row_id = {row}.id"
        f" AND k.consent = '{consent}'"
    )
    # A record is written in the transaction of its change.
    return f"""CASE WHEN {row}.{consent} THEN 'yes'
  WHEN (SELECT count(*) FILTER (WHERE k.how <> '{UNDONE}')
    > count(*) FILTER (WHERE k.how = '{UNDONE}') {records}) THEN 'no'
  WHEN {row}.updated_at > {row}.created_at AND EXISTS (SELECT FROM changes c
    WHERE c.environment_id = $1 AND c.patient_id = {patient} AND c.row_id = {row}.id
      AND c.kind = 'update' AND '{consent}' = ANY (c.fields) AND NOT EXISTS (SELECT {records}
        AND k.recorded_at BETWEEN c.changed_at - interval '1 second'
          AND c.changed_at + interval '10 seconds')) THEN 'no'
  ELSE 'never asked' END"""


def agrees_sql(channel: ContactChannel, patient: str) -> str:
    """Whether a patient may be reached by a channel at some address. One may be there twice, such
    as after a merge of two records: a refusal at either refuses it.
    """
    refused = (
        f"SELECT FROM {channel.resource.name} o WHERE o.environment_id = $1"
        f" AND o.user_id = n.user_id AND {channel.same.format(row='o')} ="
        f" {channel.same.format(row='n')} AND NOT o.{channel.consent}"
    )
    return (
        f"EXISTS (SELECT {_addresses_sql(channel, patient)} AND n.{channel.consent}"
        f" AND NOT EXISTS ({refused}))"
    )


def answer_of_patient_sql(channel: ContactChannel, patient: str) -> str:
    """The answer of a patient as a whole: yes where some address may be used, else no where one is
    refused; null where there is none.
    """
    addresses = _addresses_sql(channel, patient)
    answered = answer_sql("n", "n.user_id", channel.consent)
    return f"""CASE WHEN {agrees_sql(channel, patient)} THEN 'yes'
  WHEN EXISTS (SELECT {addresses} AND {answered} = 'no') THEN 'no'
  WHEN EXISTS (SELECT {addresses}) THEN 'never asked' END"""


def _addresses_sql(channel: ContactChannel, patient: str) -> str:
    table = channel.resource.name
    return f"FROM {table} n WHERE n.environment_id = $1 AND n.user_id = {patient}"
