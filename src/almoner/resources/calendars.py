"""Calendars: each worker has exactly one, made with the worker (contract: Calendars)."""

from almoner.data_api.declare import (
    CREATED_AT,
    ID,
    UPDATED_AT,
    Filter,
    Resource,
    Through,
    Unique,
    Verb,
)
from almoner.vocabulary.fields import Field
from almoner.vocabulary.kinds import Email, Ref

_OF_WORKERS = Through("workers", "id", column="worker_id")

calendars = Resource(
    name="calendars",
    title="Calendars",
    singular="calendar",
    about=(
        "Links calendar events to the worker whose they are. Each worker has exactly one; events do"
        " not touch it."
    ),
    verbs=(Verb.GET, Verb.FIND),
    patient=None,
    unique=(Unique(("worker_id",), ".worker_id", "This worker has a calendar already"),),
    finders=(
        Filter(
            "email",
            Email(),
            "The e-mail address of the worker.",
            "email = {value}",
            _OF_WORKERS,
            sample=Email.sample,
        ),
    ),
    fields=(
        ID,
        Field(
            "worker_id",
            Ref("workers"),
            "The worker whose calendar it is.",
            required=True,
            filter_aliases=("worker",),
        ),
        UPDATED_AT,
        CREATED_AT,
    ),
)
