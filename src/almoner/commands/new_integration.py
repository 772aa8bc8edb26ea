"""The package that ``almoner integration new`` makes."""

from __future__ import annotations

import keyword
import re
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from almoner.errors import SettingError
from almoner.integrations.installed import installed

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,62}")
_PROJECT: Final = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{dashed}"
version = "0.1.0"
dependencies = ["almoner"]

[project.entry-points."almoner.integrations"]
{name} = "{name}:{name}"

[tool.hatch.build.targets.wheel]
packages = ["src/{name}"]
"""
_MODULE: Final = '''\
"""Takes people in from another system."""

from typing import Any

import msgspec

from almoner.integrations import Integration, IntegrationError, Secret, Task


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    base_url: str
    token: Secret


class Person(msgspec.Struct, frozen=True):
    id: str
    first_name: str
    last_name: str
    birthday: str


{name} = Integration(
    name="{name}",
    title="{title}",
    settings=Settings,
    scopes=("patients.read", "patients.write", "external_ids.read", "external_ids.write"),
)


@{name}.task()
async def run_{name}(task: Task) -> None:
    people = await task.call(fetch)
    await task.each(process_item, people, lambda person: [person["id"]])


@{name}.task(seconds=120)
async def fetch(task: Task) -> list[Any]:
    headers = {{"Authorization": f"Bearer {{task.settings.token}}"}}
    answer = await task.http.get(f"{{task.settings.base_url}}/people", headers)
    return list(answer.well().json())


@{name}.task()
async def process_item(task: Task, person: Person) -> None:
    if not person.last_name:
        raise IntegrationError("name_missing", "The person has no last name.", id=person.id)
    there = await task.store.find("external_ids", namespace="{name}", external_id=person.id)
    given = {{
        "first_name": person.first_name,
        "last_name": person.last_name,
        "birthday": person.birthday,
    }}
    if there:
        await task.store.update("patients", there[0]["welkin_id"], given)
        return
    made = await task.store.create("patients", given | {{"phase": "intake", "timezone": "UTC"}})
    task.about(made["id"])
    mapping = {{
        "resource": "patients",
        "welkin_id": made["id"],
        "namespace": "{name}",
        "external_id": person.id,
    }}
    await task.store.create("external_ids", mapping)
'''
_TEST: Final = '''\
"""A job of {name} against answers that are made up: no server and no database is needed."""

from almoner.integrations.trial import IntegrationTrial
from {name} import Settings, {name}

PEOPLE = [
    {{"id": "7", "first_name": "Grace", "last_name": "Hopper", "birthday": "1906-12-09"}},
    {{"id": "8", "first_name": "Nobody", "last_name": "", "birthday": "1906-12-09"}},
]


def test_people_are_taken_in_and_one_without_a_name_is_told() -> None:
    settings = Settings(base_url="https://partner.example", token="secret")
    trial = IntegrationTrial({name}, settings, {{"https://partner.example/people": PEOPLE}})
    tasks = trial.run()
    assert [(task.name, task.status) for task in tasks] == [
        ("{name}.run_{name}", "failed"),
        ("{name}.fetch", "succeeded"),
        ("{name}.process_item", "succeeded"),
        ("{name}.process_item", "failed"),
    ]
    assert tasks[3].error is not None and tasks[3].error.code == "name_missing"
    assert [row["last_name"] for row in trial.rows["patients"]] == ["Hopper"]
    trial.run()
    assert len(trial.rows["patients"]) == 1
'''
_README: Final = """\
# {title}

An integration of Almoner. `pip install --editable .` beside Almoner, then:

    almoner integration set {name} base_url=https://partner.example --secret-file token=token.secret
    almoner integration run {name} --wait

`pytest` runs its test.
"""


def files(name: str) -> dict[str, str]:
    """What the package holds, by path."""
    words = {
        "name": name,
        "dashed": name.replace("_", "-"),
        "title": name.replace("_", " ").title(),
    }
    return {
        "pyproject.toml": _PROJECT.format(**words),
        "README.md": _README.format(**words),
        f"src/{name}/__init__.py": _MODULE.format(**words),
        f"tests/test_{name}.py": _TEST.format(**words),
    }


def _is_taken(name: str) -> bool:
    """Whether a package of this name could not be imported, or would hide another."""
    is_word = keyword.iskeyword(name) or keyword.issoftkeyword(name)
    return is_word or name in installed() or find_spec(name) is not None


def write(folder: Path, name: str) -> Path:
    """Makes the package in a new folder. Raises SettingError where the name does not fit or the
    folder is there.
    """
    if not _NAME.fullmatch(name):
        raise SettingError(
            "A name has small letters, digits and _, and begins with a letter, as clinic_pull."
        )
    package = folder / name
    if package.exists():
        raise SettingError(f"{package} is there already. Choose another name or --folder.")
    if _is_taken(name):
        raise SettingError(
            f"{name} is a word of Python, or a package or an integration that is installed already."
            f" Choose another name, as {name}_pull."
        )
    for path, text in files(name).items():
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        (package / path).write_text(text, encoding="utf-8")
    return package


def commands(package: Path) -> tuple[str, str]:
    """What somebody types to install a package beside this Almoner, and to run its tests."""
    python = shlex.quote(sys.executable)
    folder = shlex.quote(str(package))
    # An environment that uv made has no pip; in a checkout uv stands beside it.
    uv = Path(sys.prefix).parent / ".uv" / "bin" / "uv"
    pip = (
        f"{python} -m pip install"
        if find_spec("pip")
        else f"{shlex.quote(str(uv)) if uv.exists() else 'uv'} pip install --python {python}"
    )
    return f"{pip} --editable {folder}", f"{python} -m pytest {folder}"
