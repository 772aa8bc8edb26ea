"""Stored answers and records beside a new version of their form: which do not fit, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from almoner.errors import Problem
from almoner.merging.three_way import same
from almoner.vocabulary import json_values
from almoner.vocabulary.fields import Object, printable
from almoner.vocabulary.kinds import Problems
from almoner.workshop import questions
from almoner.workshop.assessment_design import FieldDesign, Question
from almoner.workshop.breakages import MOST_IDS, Breakage, many
from almoner.workshop.design import ProgramDesign

_MOST_REASONS: Final = 200
_REASONS_IN_SENTENCE: Final = 3
_LONGEST_HINT: Final = 160
T = TypeVar("T")


@dataclass
class Check:
    """Rows of one table against the elements of the design that differ: a model each, None where
    the element is gone.
    """

    word: str
    table: str
    name_column: str
    json_column: str
    models: Mapping[str, Object | None]
    models_before: Mapping[str, Object]
    titles: Mapping[str, str]
    counts: dict[str, int] = field(default_factory=dict)
    ids: dict[str, list[str]] = field(default_factory=dict)
    reasons: dict[str, Counter[str]] = field(default_factory=dict)

    def row(self, row_id: Any, name: str, document: str) -> None:
        model = self.models[name]
        reasons: Collection[str] = ()
        if model is not None:
            reasons = self._new_misfits(model, name, json_values.decode(document))
            if not reasons:
                return
        self.counts[name] = self.counts.get(name, 0) + 1
        ids = self.ids.setdefault(name, [])
        if len(ids) < MOST_IDS:
            ids.append(str(row_id))
        counts = self.reasons.setdefault(name, Counter())
        counts.update(
            reason for reason in reasons if reason in counts or len(counts) < _MOST_REASONS
        )

    def _new_misfits(self, model: Object, name: str, value: Any) -> Collection[str]:
        """Why it does not fit, save for what stood in its way in the published version already:
        that is not broken by this one.
        """
        misfits = _misfits(model, value)
        before = self.models_before.get(name) if misfits else None
        return misfits if before is None else set(misfits) - set(_misfits(before, value))

    def breakages(self) -> Iterator[Breakage]:
        for name, model in self.models.items():
            count = self.counts.get(name, 0)
            if count:
                kind = f"{self.word}_{'of_removed' if model is None else 'do_not_fit'}"
                sentence = _SENTENCES[kind].format(
                    many(count, self.word.removesuffix("s")), self.titles[name]
                )
                if count == 1:
                    sentence = sentence.replace(" do not fit", " does not fit")
                sentence += self._because(name)
                yield Breakage(
                    *(kind, self.word, self.titles[name], count, tuple(self.ids[name])), sentence
                )

    def _because(self, name: str) -> str:
        """The commonest reasons, each with how many rows it stands in the way of."""
        reasons = sorted(self.reasons[name].items(), key=lambda item: (-item[1], item[0]))[
            :_REASONS_IN_SENTENCE
        ]
        return (
            f" {'; '.join(f'{reason} ({count:,})' for reason, count in reasons)}."
            if reasons
            else ""
        )


_SENTENCES: Final = {
    "responses_do_not_fit": "{} to {} do not fit its new version:",
    "responses_of_removed": "{} to {}, which is gone.",
    "records_do_not_fit": "{} of {} do not fit its new version:",
    "records_of_removed": "{} of {}, which is gone.",
}


def _misfits(model: Object, value: Any) -> Collection[str]:
    """Why a document does not fit, each reason once and without anything of what it holds; none
    where it fits.
    """
    if type(value) is not dict:
        return ("it is no object",)
    # Told apart first: a problem of an unknown key looks for similar names, which takes long.
    if not value.keys() <= model.by_name.keys():
        return {f"{printable(key)} is gone" for key in value if key not in model.by_name}
    problems: Problems = []
    model.keep(value, "", problems)
    return {_reason(problem) for problem in problems} if problems else ()


def _reason(problem: Problem) -> str:
    name = problem.extra["path"].removeprefix(".").partition("[")[0]
    if problem.rule == "required":
        return f"{name} must be given"
    hint = problem.detail.partition(": ")[2]
    if problem.rule == "not_asked":
        return f"{name} is not to be answered, as {hint.partition(';')[0]}"
    short = hint if len(hint) <= _LONGEST_HINT else ""
    return f"for {name}, {short}" if short else f"{name} is not of its new kind"


def answers(before: ProgramDesign, design: ProgramDesign) -> Check:
    old, new = ({a.id: a for a in d.assessments} for d in (before, design))
    return Check(
        *("responses", "assessment_responses", "spec_id", "model"),
        **_models(old, new, "questions", questions.of_assessment),
        titles={key: item.name for key, item in (old | new).items()},
    )


def records(before: ProgramDesign, design: ProgramDesign) -> Check:
    old, new = ({t.name: t for t in d.custom_data_types} for d in (before, design))
    return Check(
        *("records", "custom_data_type_records", "type_name", "body"),
        **_models(old, new, "fields", questions.of_custom_data_type),
        titles={key: key for key in old | new},
    )


def _models(
    old: Mapping[str, T], new: Mapping[str, T], parts: str, model: Callable[[T, int], Object]
) -> dict[str, Any]:
    """The models of what differs, now and before; ``parts`` is what an element is made of."""
    changed = [
        key
        for key, item in new.items()
        if key not in old or _differ(getattr(old[key], parts), getattr(item, parts))
    ]
    removed: dict[str, Object | None] = {key: None for key in old if key not in new}
    return {
        "models": removed | {key: model(new[key], 0) for key in changed},
        "models_before": {key: model(old[key], 0) for key in changed if key in old},
    }


def _differ(before: Collection[FieldDesign], after: Collection[FieldDesign]) -> bool:
    """Whether something that fitted these fields might not fit those; how they read and in which
    order does not matter.
    """
    old, new = ({f.name: _strict(f) for f in fields} for fields in (before, after))
    return old.keys() != new.keys() or not all(same(old[name], new[name]) for name in old)


def _strict(item: FieldDesign) -> tuple[Any, ...]:
    shown_when = item.shown_when if isinstance(item, Question) else None
    return (item.kind, item.required, tuple(sorted(item.choices)), item.low, item.high, shown_when)
