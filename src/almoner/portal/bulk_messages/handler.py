"""How the engine sends messages to many (``work.step.Handler``): a part in one transaction, each
message as one that is recorded by hand, under the consent of that moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from almoner.data_api.store import Store
from almoner.data_api.writes import Actor, Programs
from almoner.database import Connection, Database
from almoner.errors import ApiError
from almoner.pages.forms.refusals import refusals
from almoner.portal.bulk_messages import queries
from almoner.portal.bulk_messages.queries import QUEUE, BulkMessage
from almoner.portal.bulk_messages.recipients import Recipient, RecipientBasis, recipients
from almoner.resources.conversations import conversations
from almoner.resources.messages import messages
from almoner.vocabulary.times import TIMEZONES
from almoner.work import backoff
from almoner.work.step import DONE, FAILED, Outcome, PlainHandler, Step, StepRun

ATTEMPTS: Final = 5
_GONE: Final = "not there any more"
_CLOSED: Final = "who wrote it may not sign in any more"
_FAILED: Final = "it failed several times; send it again by hand"


class BulkMessageHandler(PlainHandler):
    """Sends the messages to many of every environment."""

    queue = QUEUE
    concurrency = 2

    def __init__(self, database: Database, store: Store, programs: Programs) -> None:
        self._database = database
        self._store = store
        self._programs = programs

    async def settled(
        self, connection: Connection, environment_id: int, settled: Sequence[tuple[Step, Outcome]]
    ) -> None:
        for step, outcome in settled:
            if outcome.state == FAILED:
                part = (step.job_id, step.args["part"])
                await queries.give_up(connection, environment_id, *part, reason=_FAILED)

    async def run(self, run: StepRun) -> Outcome:
        try:
            await self._send(run)
            return Outcome(DONE)
        except backoff.SESSION_ENDED:
            raise
        except Exception as error:
            backoff.log_fault("a message to many", error)
            return backoff.again(run.step, ATTEMPTS, Outcome(FAILED))

    async def _send(self, run: StepRun) -> None:
        environment_id, bulk_id = run.step.environment_id, run.step.job_id
        part: int = run.step.args["part"]
        connection = await run.transaction()
        bulk = await queries.get(connection, environment_id, bulk_id)
        if not await queries.may_send(connection, environment_id, bulk.worker_id):
            await queries.give_up(connection, environment_id, bulk_id, part, _CLOSED)
            return
        ids = await queries.take_up(connection, environment_id, bulk_id, part)
        program = await self._programs.within(connection).of(environment_id)
        zones = self._database.zones.document(TIMEZONES)
        basis = RecipientBasis(environment_id, program, zones)
        judged = await recipients(connection, basis, bulk.text, ids, hold=True)
        store = self._store.within(connection)
        actor = f"worker:{bulk.worker_id}"
        by = Actor(environment_id, actor, "portal", bulk.request_id, whole=True)
        known = {each.id: each for each in judged}
        for patient_id in ids:
            recipient = known.get(patient_id)
            message_id, reason = None, recipient.why if recipient is not None else _GONE
            if recipient is not None and not reason:
                message_id, reason = await _send_to(connection, store, by, bulk, recipient)
            await queries.settle(
                connection,
                environment_id,
                bulk_id,
                patient_id=patient_id,
                message_id=message_id,
                reason=reason or None,
            )


async def _send_to(
    connection: Connection, store: Store, by: Actor, bulk: BulkMessage, recipient: Recipient
) -> tuple[str | None, str]:
    """The id of the message that was written, and why there is none."""
    try:
        async with connection.transaction():
            conversation_id = recipient.conversation_id
            if conversation_id is None:
                begun = {"user_id": recipient.id, "conversation_type": bulk.channel}
                conversation_id = (await store.create(by, conversations, begun)).id
            row: dict[str, Any] = {
                "user_id": recipient.id,
                "conversation_id": conversation_id,
                "direction": "outbound",
                "contents": recipient.text,
                "worker_id": bulk.worker_id,
            }
            return (await store.create(by, messages, row)).id, ""
    except ApiError as error:
        return None, refusals(error)
