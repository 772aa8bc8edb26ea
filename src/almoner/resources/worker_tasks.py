"""What workers have to do, about a patient or about none (a collection of the house's own)."""

from almoner.data_api.declare import (
    CREATED_AT,
    ID,
    PATIENT,
    UPDATED_AT,
    Resource,
    Row,
    Verb,
)
from almoner.data_api.indexed import IndexedPart
from almoner.data_api.presented import Presented
from almoner.errors import Problem
from almoner.vocabulary.choices import Choice, ProgramName
from almoner.vocabulary.definitions import Program
from almoner.vocabulary.fields import MORE, Field, FormSection, ListOf, Object
from almoner.vocabulary.kinds import Guid, LongText, Problems, Ref, Text
from almoner.vocabulary.times import IsoDate, IsoDateTime

PRIORITIES = ("low", "medium", "high", "urgent")
IS_OPEN = "completed_at IS NULL"
# The day by which a task waits, as an index has it: of a time of day that in UTC, which may be the
# day after or before the one where somebody lives; long ago where it is due on none.
WAITS_FROM = "COALESCE(due_date, (due_time AT TIME ZONE 'UTC'::text)::date, '-infinity'::date)"

COMMENTED = "commented"
DONE = "done"
LONGEST_TITLE = 300
REOPENED = "reopened"
# The watchers of a task are told what came of it, but for who did it. The newest is what matters:
# of a task there is one row for each watcher. A program says by the row who did it, if it does.
_TELL_WATCHERS = f"""
INSERT INTO task_news (environment_id, worker_id, task_id, what, by_worker_id)
SELECT t.environment_id, w.id, t.id, t.what, b.id FROM (
  SELECT n.*, CASE WHEN {{by}} ~ '^worker:[0-9a-f-]{{36}}$' THEN substr({{by}}, 8)::uuid
    WHEN n.what = '{DONE}' THEN n.completed_by_worker_id
    WHEN n.what = '{COMMENTED}' THEN (n.comments #>> '{{-1,worker_id}}')::uuid END AS by_id
  FROM (SELECT *, CASE
      WHEN differences -> 'completed_at' IS NOT NULL THEN
        CASE WHEN completed_at IS NULL THEN '{REOPENED}'
          WHEN differences #>> '{{completed_at,0}}' IS NULL THEN '{DONE}' END
      WHEN json_typeof(differences #> '{{comments,1}}') = 'array'
        AND json_array_length(differences #> '{{comments,1}}') > CASE
          WHEN json_typeof(differences #> '{{comments,0}}') = 'array'
          THEN json_array_length(differences #> '{{comments,0}}') ELSE 0 END THEN '{COMMENTED}'
      END AS what FROM written) AS n
  WHERE n.what IS NOT NULL AND json_typeof(n.watcher_ids) = 'array'
) AS t
LEFT JOIN workers b ON b.environment_id = t.environment_id AND b.id = t.by_id
JOIN workers w ON w.environment_id = t.environment_id AND w.id IS DISTINCT FROM b.id
  AND w.id IN (SELECT watcher::uuid FROM json_array_elements_text(t.watcher_ids) AS watcher)
ORDER BY w.id, t.id
ON CONFLICT (environment_id, worker_id, task_id) DO UPDATE SET what = excluded.what,
  by_worker_id = excluded.by_worker_id, happened_at = clock_timestamp(), noted_at = NULL
"""


def due_once(row: Row, program: Program, problems: Problems) -> None:
    """A task is due on a day or at a time of day."""
    if row.get("due_date") is not None and row.get("due_time") is not None:
        detail = "A task is due on a day (.due_date) or at a time (.due_time). Leave one out."
        problems.append(Problem("bad_request", detail, {"path": ".due_date"}))


def short_title(row: Row, program: Program, problems: Problems) -> None:
    """A title is drawn whole in every list; what is longer belongs into the note."""
    if len(row.get("title") or "") > LONGEST_TITLE:
        detail = f".title has {LONGEST_TITLE} characters at most. Put the rest into .note."
        problems.append(Problem("bad_request", detail, {"path": ".title"}))


_COMMENT = Object(
    (
        Field("text", Text(), "What was said.", required=True, sample="They close at six."),
        Field("worker_id", Guid(), "The worker who said it."),
        Field(
            "time",
            IsoDateTime(),
            "When it was said.",
            sample="2026-12-01T09:00:00+00:00",
        ),
    )
)

worker_tasks = Resource(
    name="worker_tasks",
    title="Worker Tasks",
    singular="worker task",
    about=(
        "What workers have to do, about a patient or about none: for a worker, or for the holders"
        " of a role until one of them takes it."
    ),
    verbs=(Verb.GET, Verb.CREATE, Verb.UPDATE, Verb.FIND),
    patient="patient_id",
    checks=(due_once, short_title),
    checked_fields=frozenset({"due_date", "due_time", "title"}),
    on_update=_TELL_WATCHERS,
    parts=(
        IndexedPart("due_of_worker", ("worker_id", WAITS_FROM, "id"), IS_OPEN),
        IndexedPart("due_of_role", ("role", WAITS_FROM, "id"), f"{IS_OPEN} AND worker_id IS NULL"),
    ),
    presented=Presented(
        "team task",
        "Team tasks",
        named="title",
        sections=("task", "more"),
    ),
    sections=(
        FormSection(
            "task",
            "Task",
            ("title", "due_date", "due_time", "worker_id", "role", "priority", "note"),
        ),
        FormSection(
            "course",
            "What came of it",
            (
                "author_worker_id",
                "watcher_ids",
                "comments",
                "completed_at",
                "completed_by_worker_id",
            ),
        ),
        MORE,
    ),
    fields=(
        ID,
        Field(
            "patient_id",
            PATIENT,
            "The patient whom it is about; null where it is about none.",
            update=False,
            aliases=("user_id",),
            filter_aliases=("user_id",),
            label="Patient",
        ),
        Field("title", Text(), "What is to be done.", required=True, sample="Ring the pharmacy"),
        Field("note", LongText(), "What whoever does it should know.", sample="They open at nine."),
        Field(
            "worker_id",
            Ref("workers"),
            "The worker who is to do it; null while nobody of the role has taken it.",
            label="Who",
        ),
        Field(
            "role",
            ProgramName("roles"),
            "The role whose holders may take it; null where it is for one worker.",
            filter=True,
            sample="coach",
            label="Team",
        ),
        Field(
            "priority",
            Choice(PRIORITIES),
            "How much it matters.",
            default="medium",
            sample="high",
        ),
        Field(
            "due_date",
            IsoDate(),
            "The day on which it is due, where whoever does it lives.",
            sample="2026-12-04",
            label="Due",
        ),
        Field(
            "due_time",
            IsoDateTime(),
            "When it is due, where that is at a time of day.",
            sample=None,
            label="Due at",
        ),
        Field(
            "author_worker_id",
            Ref("workers"),
            "The worker who asked for it.",
            update=False,
            label="Asked by",
        ),
        Field(
            "watcher_ids",
            ListOf(Guid()),
            "The workers who want to hear what comes of it.",
            default=[],
            sample=[],
            label="Watchers",
        ),
        Field("comments", ListOf(_COMMENT), "What was said about it.", default=[], sample=[]),
        Field(
            "completed_at",
            IsoDateTime(),
            "When it was done; null while it is open.",
            sample=None,
            label="Done",
        ),
        Field(
            "completed_by_worker_id",
            Ref("workers"),
            "The worker who did it.",
            sample=None,
            label="Done by",
        ),
        UPDATED_AT,
        CREATED_AT,
    ),
)
