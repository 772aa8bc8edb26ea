"""The generated pages of ``docs/reference/``: errors and settings, printed from where they are
declared.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from almoner.data_api import describe_examples as examples
from almoner.errors import PROBLEMS

GENERATED = (
    "<!-- Written by `almoner docs write`. Change the declarations in the source instead. -->"
)


Settings = Sequence[dataclasses.Field[Any]]


def pages(settings: Settings) -> dict[str, str]:
    """The text of every generated page, by its file name. ``settings``: the fields of the
    declaration of settings.
    """
    return {"errors.md": errors_page(), "settings.md": settings_page(settings)}


def errors_page() -> str:
    """Every problem that the API answers with: its code, status, title, what to do, and an
    example.
    """
    parts = [
        GENERATED,
        "# Errors",
        (
            "An error answer is a JSON object with a list of `errors`, in both shapes. All problems"
            " of a body are reported at once. `code` is for programs, `detail` for people;"
            " `extra.path` names the field or parameter, as `.user_id` or `.model.pain_scale`."
            " Every answer carries `X-Request-Id`; the server's log has the same id."
        ),
        (
            "The status of an answer is that of its problems, and 400 where they differ. The token"
            " endpoint answers with RFC 6749's `error` and `error_description` beside `errors`."
        ),
        "| code | status | title |\n| - | - | - |\n"
        + "\n".join(
            f"| [`{k.code}`](#{k.code}) | {k.status} | {k.title} |" for k in PROBLEMS.values()
        ),
    ]
    for kind in PROBLEMS.values():
        example = json.dumps(examples.problem_body(kind)["errors"][0], indent=2)
        parts.append(
            f"## {kind.code}\n\nStatus {kind.status}. {kind.remedy}\n\n```json\n{example}\n```"
        )
    return "\n\n".join(parts) + "\n"


def settings_page(settings: Settings) -> str:
    """Every setting: its environment variable, what it is for, its default, and whether it is a
    secret.
    """
    parts = [
        GENERATED,
        "# Settings",
        (
            "Settings are environment variables, read once when a process starts. An empty variable"
            " is as good as none."
        ),
        "| variable | default |\n| - | - |\n"
        + "\n".join(
            f"| [`{f.metadata['env']}`](#{f.metadata['env'].lower()}) | {_default(f)} |"
            for f in settings
        ),
    ]
    for item in settings:
        secret = (
            "\n\nIt is a secret: keep it out of logs and command lines."
            if item.metadata["secret"]
            else ""
        )
        about = f"{item.metadata['about']}\n\nDefault: {_default(item)}.{secret}"
        parts.append(f"## {item.metadata['env']}\n\n{about}")
    return "\n\n".join(parts) + "\n"


def _default(item: dataclasses.Field[Any]) -> str:
    default = item.default.as_posix() if isinstance(item.default, Path) else item.default
    return "none" if default == "" else f"`{default}`"
