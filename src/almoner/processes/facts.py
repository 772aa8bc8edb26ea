"""What is known of a patient when conditions are looked at: read when it is asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from almoner.database import Connection
from almoner.processes.consents import CONSENTS
from almoner.vocabulary import json_values
from almoner.vocabulary.definitions import Score
from almoner.workshop.process_design import GROUPS, ProcessCondition, ProcessConditions
from almoner.workshop.published_at_hand import PublishedAtHand
from almoner.workshop.questions import Test, passes
from almoner.workshop.score import Scorer

# Each is about one row, of.id, and read for as many as are asked about. A limit has each looked up
# by itself: as a join the planner would read the tables whole.
_FOR_EACH: Final = """
SELECT of.id::text AS of_id, fact.* FROM unnest($2::uuid[]) AS of(id) CROSS JOIN LATERAL (
{fact}) AS fact
"""
# What is asked about nearly always.
_COLUMNS: Final = ("id", "phase", "timezone", "birthday", "coach_id")
_PATIENT: Final = """
SELECT p.id::text, p.phase, p.timezone, p.birthday::text, p.coach_id::text FROM patients p
WHERE environment_id = $1 AND p.id = of.id LIMIT 1
"""
_WHOLE_PATIENT: Final = """
SELECT to_json(p)::text AS row FROM patients p WHERE environment_id = $1 AND p.id = of.id LIMIT 1
"""
_ANSWERS: Final = """
SELECT spec_id, version, model::text FROM assessment_responses
WHERE environment_id = $1 AND user_id = of.id AND spec_id = $3 AND entered_in_error_at IS NULL
ORDER BY created_at DESC, id DESC LIMIT 1
"""
_THESE_ANSWERS: Final = """
SELECT spec_id, version, model::text FROM assessment_responses r
WHERE environment_id = $1 AND r.id = of.id AND entered_in_error_at IS NULL LIMIT 1
"""
_RECORD: Final = """
SELECT body::text FROM custom_data_type_records WHERE environment_id = $1 AND user_id = of.id
  AND type_name = $3 ORDER BY created_at DESC, id DESC LIMIT 1
"""
# A number or an address that is there twice is refused where either is.
_CONSENTS: Final = f"""
SELECT coalesce(bool_or(sms), false) AS sms, coalesce(bool_or(calls), false) AS calls,
  (SELECT coalesce(bool_or(consented), false) FROM (
    SELECT bool_and({CONSENTS["email"]}) AS consented FROM email_addresses
    WHERE environment_id = $1 AND user_id = of.id GROUP BY lower(email)) AS addresses) AS email
FROM (
  SELECT bool_and({CONSENTS["sms"]}) AS sms, bool_and({CONSENTS["calls"]}) AS calls
  FROM phone_numbers
  WHERE environment_id = $1 AND user_id = of.id GROUP BY phone_number) AS numbers
"""


class FactRows:
    """The rows that facts are made of, as the connection sees them, each read for all patients and
    events at once when the first is asked about. ``published`` is what is at hand of programs.
    """

    def __init__(
        self,
        connection: Connection,
        environment_id: int,
        patient_ids: Collection[str],
        events: Collection[Mapping[str, str]],
        published: PublishedAtHand | None = None,
    ) -> None:
        self.connection = connection
        self.environment_id = environment_id
        self._patient_ids = list(dict.fromkeys(patient_ids))
        self._event_rows = list(dict.fromkeys(event["row_id"] for event in events))
        self._rows: dict[tuple[str, ...], dict[str, Mapping[str, Any]]] = {}
        self._published = published or PublishedAtHand()
        self._tests: dict[int, Test] = {}

    async def about(
        self, row_id: str, fact: str, *arguments: str, of_event: bool = False
    ) -> Mapping[str, Any] | None:
        """What a statement tells of a patient, or of the row of an event; None for nothing."""
        if (fact, *arguments) not in self._rows:
            of = self._event_rows if of_event else self._patient_ids
            rows = await self.connection.fetch(
                _FOR_EACH.format(fact=fact), self.environment_id, of, *arguments
            )
            self._rows[fact, *arguments] = {row["of_id"]: row for row in rows}
        return self._rows[fact, *arguments].get(row_id)

    async def scorer(self, spec_id: str, version: int) -> Scorer | None:
        """What tells the score of an assessment as it was when somebody answered it."""
        return await self._published.scorer(self.connection, self.environment_id, spec_id, version)

    def test(self, condition: ProcessCondition) -> Test:
        """What a condition asks of a value, made once for all that are looked at together."""
        known = self._tests.get(id(condition))
        if known is None:
            known = self._tests[id(condition)] = passes(condition)
        return known


class Facts:
    """The facts about one patient, as the connection sees them. ``event`` is what set the process
    off, as a firing keeps it; ``rows`` are those of all that are looked at together.
    """

    def __init__(
        self,
        connection: Connection,
        environment_id: int,
        patient_id: str,
        event: Mapping[str, str],
        rows: FactRows | None = None,
    ) -> None:
        self._rows = rows or FactRows(connection, environment_id, [patient_id], [event])
        self._patient_id = patient_id
        self._event = event
        # Many processes may ask for the same ones.
        self._answers: dict[str, _Answers] = {}

    async def hold(self, conditions: ProcessConditions) -> bool:
        """Whether all that must hold does."""
        if not await self._all_hold(conditions.every):
            return False
        return not conditions.some or await self._any_holds(conditions.some)

    async def _all_hold(self, conditions: Iterable[ProcessCondition]) -> bool:
        for condition in conditions:
            if not await self.holds(condition):
                return False
        return True

    async def _any_holds(self, conditions: Iterable[ProcessCondition]) -> bool:
        for condition in conditions:
            if await self.holds(condition):
                return True
        return False

    async def holds(self, condition: ProcessCondition) -> bool:
        """Whether one condition does."""
        if condition.of in GROUPS:
            of_group = self._all_hold if condition.of == "all" else self._any_holds
            return await of_group(condition.conditions) is not condition.negated
        test = self._rows.test(condition)
        return bool(test(await self._value(condition))) is not condition.negated

    async def _value(self, condition: ProcessCondition) -> Any:
        if condition.of == "patient":
            if condition.field in _COLUMNS:
                return (await self.patient()).get(condition.field)
            row = await self._rows.about(self._patient_id, _WHOLE_PATIENT)
            return None if row is None else json_values.decode(row["row"]).get(condition.field)
        if condition.of == "consent":
            consents = await self._rows.about(self._patient_id, _CONSENTS)
            return consents is not None and consents[condition.field]
        if condition.of == "record":
            row = await self._rows.about(self._patient_id, _RECORD, condition.record)
            return None if row is None else json_values.decode(row["body"]).get(condition.field)
        if condition.of == "answer":
            return (await self._answers_to(condition.assessment)).model.get(condition.field)
        known = await self.score(condition.assessment)
        if known is None:
            return None
        return known.total if condition.of == "score" else known.band

    async def patient(self) -> Mapping[str, Any]:
        """The patient's id, phase, time zone, birthday and coach, as JSON has them; empty where
        there is none.
        """
        return await self._rows.about(self._patient_id, _PATIENT) or {}

    async def score(self, assessment: str) -> Score | None:
        """The score of the newest answers to an assessment; of those that set the process off where
        it is that assessment, or blank.
        """
        return (await self._answers_to(assessment)).score

    async def _answers_to(self, assessment: str) -> _Answers:
        known = self._answers.get(assessment)
        if known is not None:
            return known
        if self._event["on"] == "assessment_finished" and assessment in ("", self._event["of"]):
            row = await self._rows.about(self._event["row_id"], _THESE_ANSWERS, of_event=True)
        else:
            row = await self._rows.about(self._patient_id, _ANSWERS, assessment)
        answers = self._answers[assessment] = _Answers(
            None if row is None else await self._rows.scorer(row["spec_id"], row["version"]),
            {} if row is None else json_values.decode(row["model"]),
        )
        return answers


class _Answers:
    """The newest answers to an assessment; empty where there are none."""

    __slots__ = ("_score", "_scorer", "model")

    def __init__(self, scorer: Scorer | None, model: Mapping[str, Any]) -> None:
        self._scorer = scorer
        self._score: Score | None = None
        self.model = model

    @property
    def score(self) -> Score | None:
        if self._score is None and self._scorer is not None:
            self._score = self._scorer.score(self.model)
        return self._score
