"""What is wrong with a part of a program, by the name of the field in its form that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from almoner.pages.visit import Form
from almoner.workshop.design_problem import DesignProblem
from almoner.workshop.pages.editor.form import filled, positions, sentence, under

_STEP: Final = re.compile(r'\.?([^.\[\]]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]')


def placed(problems: Iterable[DesignProblem], path: str, form: Form) -> dict[str, str]:
    """The problems of one part of the program by the name of the field in this form that shows
    each.

    ``path`` is that of the part, such as ``custom_data_types[2]``. What is wrong with a whole item
    stands under the name of the item, what is wrong with the part itself under a blank name; what
    is missing in it stands at its field."""
    sentences: dict[str, list[str]] = {}
    for problem in problems:
        rest = problem.path.removeprefix(path)
        if problem.path.startswith(path) and (not rest or rest[0] in ".["):
            missing = next(
                (at for at in problem.rests_on if at.startswith(f"{problem.path}.")), problem.path
            )
            here = sentences.setdefault(_field_name(missing.removeprefix(path), form), [])
            if sentence(problem.text) not in here:
                here.append(sentence(problem.text))
    return {name: " ".join(texts) for name, texts in sentences.items()}


def _field_name(rest: str, form: Form) -> str:
    """The name in this form that the end of a path leads to. The number of an item becomes the one
    it has in the form.
    """
    name = ""
    for match in _STEP.finditer(rest):
        key, index, _ = match.groups()
        if key is not None:
            name = under(name, key)
            continue
        order = (filled(form, name) or positions(form, name)) if index is not None else ()
        if index is None or int(index) >= len(order):
            return name  # a text of a list, or a number of some text, has no field of its own
        name = f"{name}.{order[int(index)]}"
    return name
