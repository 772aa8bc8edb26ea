"""What the parts of a program are declared with: names, titles, and what a designer reads beside a
member.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from msgspec import Meta

# Names go into an index of the database, whose entries are of limited length.
LONGEST_NAME: Final = 200
Scalar = str | bool | int | float


def about(
    title: str,
    description: str = "",
    *,
    widget: str = "",
    names: str = "",
    beside: str = "",
    example: Any = None,
) -> Meta:
    """What a designer reads beside a member, and how it is edited: ``widget`` where its type does
    not tell enough.
    """
    extra = {
        key: value
        for key, value in (("widget", widget), ("names", names), ("beside", beside))
        if value
    }
    return Meta(
        title=title,
        description=description or None,
        examples=None if example is None else [example],
        extra=extra or None,
    )


def names(group: str, title: str, description: str = "") -> Meta:
    """A text that names an item of this group of the program; it must exist there."""
    return about(title, description, names=group)


def needed(
    title: str, description: str = "", *, longest: int | None = None, widget: str = ""
) -> Meta:
    """A text that must not be blank, with at most so many characters."""
    return Meta(
        title=title,
        description=description or None,
        min_length=1,
        max_length=longest,
        pattern=r"\S",
        extra={"widget": widget} if widget else None,
    )


ApiName = Annotated[
    str,
    needed(
        "Name in the API",
        "What programs call it. Small letters and underscores are what they expect; it stays"
        " when the title changes.",
        longest=LONGEST_NAME,
        widget="code",
    ),
]
Title = Annotated[str, about("Title", "What people read. The name is shown where this is blank.")]
LongWords = Annotated[
    str, about("Description", "What it is for, in your own words.", widget="textarea")
]

# The tests of a condition, of which one is given: what an answer or another value must be.
Equals = Annotated[Scalar | None, about("is", "The answer is exactly this.")]
OneOf = Annotated[tuple[str, ...], about("is one of", "The answer is one of these.")]
Includes = Annotated[tuple[str, ...], about("includes", "At least one of these was chosen.")]
Above = Annotated[int | float | None, about("is above", "The number is above this.")]
Below = Annotated[int | float | None, about("is below", "The number is below this.")]
AtLeast = Annotated[int | float | None, about("is at least", "The number is this or above.")]
AtMost = Annotated[int | float | None, about("is at most", "The number is this or below.")]
Answered = Annotated[bool, about("is answered", "There is any answer.")]
