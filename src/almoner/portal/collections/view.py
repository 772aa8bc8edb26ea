"""What a page of collections shows, and what an answer to a consent came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from almoner.data_api.declare import Resource
from almoner.pages.visit import Visit
from almoner.portal.collections import forms
from almoner.portal.collections.consents import ConsentRecord, needed_for
from almoner.portal.collections.forms import RefusedForm, RowForm
from almoner.portal.collections.queries import CollectionRow
from almoner.resources._consents import consents_of
from almoner.vocabulary.consent_words import Answer


@dataclass(frozen=True, kw_only=True)
class RowConsent:
    """A consent of a row, what was recorded of it, and its form. ``waits_for``: the consent without
    which it is not in force.
    """

    name: str
    title: str
    state: Answer
    waits_for: str
    records: Sequence[ConsentRecord]
    form: RefusedForm
    is_open: bool


@dataclass(frozen=True, kw_only=True)
class EditedRow:
    """A row with its consents and its form; None where it cannot be changed."""

    row: CollectionRow
    consents: Sequence[RowConsent]
    form: RowForm | None


@dataclass(frozen=True, kw_only=True)
class CollectionSection:
    """The rows of a collection, and the form of a new one. ``address`` is where its forms go to,
    each behind it.
    """

    resource: Resource
    address: str
    rows: Sequence[EditedRow]
    new: RowForm | None
    can_remove: bool

    @property
    def about(self) -> str:
        """What rows say, in a sentence."""
        return self.resource.about.partition(". ")[0].removesuffix(".") + "."

    @property
    def is_list(self) -> bool:
        """Whether rows are told in a line each: there is nothing to edit in them."""
        return not forms.changed_fields(self.resource) and not consents_of(self.resource)


@dataclass(frozen=True)
class ConsentTable:
    """All consents of a page: what they are called, and the rows that have some, each with its
    section.
    """

    columns: Sequence[str]
    rows: Sequence[tuple[CollectionSection, EditedRow]]


@dataclass(frozen=True)
class AnswerDone:
    """What an answer came to, in words; ``undo`` is where it is taken back, by ``records``, both
    blank of what was taken back itself.
    """

    words: str
    undo: str = ""
    records: Sequence[int] = ()


def consent_table(sections: Sequence[CollectionSection]) -> ConsentTable:
    """The consents of all rows in the order of their forms: a column for each that some row has."""
    rows = [(part, entry) for part in sections for entry in part.rows if entry.consents]
    titles = (consent.title for _, entry in rows for consent in entry.consents)
    return ConsentTable(tuple(dict.fromkeys(titles)), rows)


def answer_done(sections: Sequence[CollectionSection], visit: Visit) -> AnswerDone | None:
    """What the answer of this address came to, with what was answered by it too."""
    undone, form_id = visit.query("undone"), visit.query("answered")
    for section, entry in consent_table(sections).rows:
        if entry.row.id == undone:
            return AnswerDone(f"The answer for {entry.row.name} was taken back.")
        for done in entry.consents:
            if done.form.id != form_id or not done.records or done.records[0].is_undo:
                continue
            too = [other for other in entry.consents if _ended_by(section, done, other)]
            words = "".join(f" {other.title} was set to No too." for other in too)
            return AnswerDone(
                f"{done.title} of {entry.row.name}: {done.state}.{words}",
                f"{section.address}/{entry.row.id}/{done.name}/undo",
                [consent.records[0].id for consent in (done, *too)],
            )
    return None


def _ended_by(section: CollectionSection, done: RowConsent, other: RowConsent) -> bool:
    """Whether one consent ended with the answer to another."""
    return bool(
        needed_for(section.resource, other.name) == done.name
        and other.state == "no"
        and other.records
        and other.records[0].recorded_at >= done.records[0].recorded_at
    )
