"""An assessment as its designer states it: sections, questions with follow-ups, and the score."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Struct, field

from almoner.vocabulary.definitions import Severity
from almoner.workshop.design_words import (
    LONGEST_NAME,
    Above,
    Answered,
    ApiName,
    AtLeast,
    AtMost,
    Below,
    Equals,
    Includes,
    OneOf,
    about,
    needed,
)


class Condition(Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"equals": "is"}):
    """When a follow-up question is shown: what was answered to another question of the same
    assessment.

    Exactly one of the tests is given. ``is`` compares a choice, a text, a number or yes and no;
    ``one_of`` a choice with several; ``includes`` asks whether several choices include any of
    these; ``above``, ``below``, ``at_least`` and ``at_most`` compare numbers and scales;
    ``answered`` is true where any answer will do."""

    is_whole: ClassVar[bool] = True

    question: Annotated[str, about("Question", "The name of the question whose answer decides.")]
    equals: Equals = None
    one_of: OneOf = ()
    includes: Includes = ()
    above: Above = None
    below: Below = None
    at_least: AtLeast = None
    at_most: AtMost = None
    answered: Answered = False


class FieldDesign(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One field of an assessment or of a custom data type.

    ``kind`` is a name of ``field_kinds.FIELD_KINDS``. ``low`` and ``high`` are inclusive limits,
    None for no limit."""

    identity: ClassVar[str] = "name"

    name: ApiName
    kind: Annotated[str, about("Kind", "What sort of answer it takes.", widget="redraws")]
    label: Annotated[
        str, about("Label", "What people read beside it. The name is shown where this is blank.")
    ] = ""
    help: Annotated[
        str, about("Help", "A sentence below it that helps to answer.", widget="textarea")
    ] = ""
    required: Annotated[bool, about("Required", "It must be answered.")] = False
    choices: Annotated[
        tuple[str, ...], about("Choices", "What can be chosen, in this order.", widget="rows")
    ] = ()
    low: Annotated[int | float | None, about("Lowest", "The smallest number that is accepted.")] = (
        None
    )
    high: Annotated[
        int | float | None, about("Highest", "The largest number that is accepted.")
    ] = None


class Question(FieldDesign, frozen=True, kw_only=True, omit_defaults=True):
    """A field of an assessment, which may be a follow-up and may count towards the score.

    ``points`` maps a choice to its points; ``weight`` multiplies a number, a scale, or 1 for yes.
    Neither: it does not count."""

    shown_when: Annotated[
        Condition | None,
        about("Shown when", "A follow-up: asked only where this holds.", widget="condition"),
    ] = None
    points: Annotated[
        dict[str, int | float],
        about("Points", "What each choice adds to the score.", beside="choices"),
    ] = field(default_factory=dict)
    weight: Annotated[
        int | float | None,
        about("Weight", "The number is multiplied by this and added to the score."),
    ] = None


class AssessmentSection(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of an assessment under one heading."""

    identity: ClassVar[str] = "heading"

    heading: Annotated[str, about("Heading", "Stands above the questions.")] = ""
    description: Annotated[
        str,
        about("Description", "Stands between the heading and the questions.", widget="textarea"),
    ] = ""
    footer: Annotated[str, about("Footer", "Stands below the questions.", widget="textarea")] = ""
    questions: Annotated[tuple[Question, ...], about("Questions", widget="outline")] = ()


class Band(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a range of scores means. Both ends belong to it."""

    identity: ClassVar[str] = "name"

    name: Annotated[str, about("Band", "What this range means.", example="moderate")]
    low: Annotated[
        int | float, about("From", "The lowest score that belongs to it.", widget="redraws")
    ]
    high: Annotated[
        int | float, about("To", "The highest score that belongs to it.", widget="redraws")
    ]
    severity: Annotated[
        Severity,
        about(
            "Asks for",
            "calm: nothing. watch: a look; it stands out. act: somebody; it waits in the inbox"
            " until one of them takes it.",
        ),
    ] = "calm"


class Scoring(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That an assessment has a score: the sum of what its questions count. A score outside of every
    band has none.
    """

    bands: Annotated[
        tuple[Band, ...],
        about("Bands", "What ranges of the score mean. Both ends belong to a band.", widget="rows"),
    ] = ()


class Assessment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A form whose answers are kept as assessment responses. API clients name it by ``id`` or by
    ``name``.
    """

    identity: ClassVar[str] = "id"
    # Its title stands above its form.
    known_by: ClassVar[str] = "name"
    distinct: ClassVar[tuple[str, ...]] = ("name",)

    id: Annotated[
        str,
        needed(
            "Id in the API",
            "spec_id of its responses. It stays when the name changes.",
            longest=LONGEST_NAME,
            widget="code",
        ),
    ]
    name: Annotated[
        str,
        needed(
            "Name", "spec_name of its responses, and what coaches pick it by.", longest=LONGEST_NAME
        ),
    ]
    title: Annotated[
        str, about("Title", "Stands above the form. The name is shown where this is blank.")
    ] = ""
    audience: Annotated[
        Literal["coach", "coach_and_patient"],
        about("Who fills it in", "A coach only, or a coach and the patient."),
    ] = "coach"
    sections: Annotated[tuple[AssessmentSection, ...], about("Sections", widget="outline")] = ()
    scoring: Annotated[
        Scoring | None,
        about(
            "Scoring",
            "The answers add up to a score: choices their points; numbers, scales and yes times"
            " their weight.",
            widget="outline",
        ),
    ] = None

    @property
    def questions(self) -> tuple[Question, ...]:
        """The questions of all sections, in the order in which they are asked."""
        return tuple(question for section in self.sections for question in section.questions)
