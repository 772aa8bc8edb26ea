"""A clone of the package with what a site has added to it, migrated and served with the demo in it."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

import almoner
from tests.conftest import free_port

_COMMAND = (sys.executable, "-c", "from almoner.cli import main; main()")
_FIELD = re.compile(r'<(?:input|textarea|select)[^>]*? name="([^"]+)"')


@dataclass
class Site:
    """A served clone, a coach of its demo who has signed in, and a program with a token."""

    folder: Path
    coach: httpx.Client
    api: httpx.Client

    def page(self, path: str) -> str:
        """A page as a reader has it: without its tags, with single spaces."""
        return as_read(self.html(path))

    def html(self, path: str) -> str:
        answer = self.coach.get(path)
        assert answer.status_code == 200, (path, answer.status_code, as_read(answer.text)[:400])
        return answer.text

    def find(self, collection: str, **parameters: str) -> list[dict[str, Any]]:
        """The rows of the first page of a collection."""
        answer = self.api.get(f"/v1/{collection}", params=parameters)
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()[0]["data"]
        return rows

    def send(self, page: str, action: str, **typed: str) -> httpx.Response:
        """Sends the form of a page that goes to ``action``, with what its hidden fields hold, as a browser would."""
        form = form_of(self.html(page), action)
        hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form)
        sent = {name: html.unescape(value) for name, value in hidden} | typed
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.coach.post(action, content=urlencode(sent), headers=headers)


def form_of(page: str, action: str) -> str:
    """The form of a page that goes to this address."""
    found = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', page, re.DOTALL)
    assert found, f"no form goes to {action}"
    return found[0]


def names_in(form: str) -> set[str]:
    """What the controls of a form send."""
    return set(_FIELD.findall(form))


def as_read(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).replace("\u2068", "").replace("\u2069", "").split())


@contextmanager
def served(
    dsn: str, folder: Path, changes: Mapping[str, tuple[str, str]], added: Mapping[str, str], patients: int
) -> Iterator[Site]:
    """A clone in this folder, on an empty database.

    ``changes``: by a file of ``resources/``, a text in it and what stands there instead.

    ``added``: files of ``resources/`` that are new. ``patients``: how many the demo has beside its cast.
    """
    package = folder / "almoner"
    shutil.copytree(Path(almoner.__file__).parent, package)
    for name, (old, new) in changes.items():
        file = package / "resources" / name
        text = file.read_text()
        assert old in text, (name, old)
        file.write_text(text.replace(old, new, 1))
    for name, text in added.items():
        (package / "resources" / name).write_text(text)
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ALMONER_")},
        "PYTHONPATH": str(folder),
        "ALMONER_HOME": str(folder / "home"),
        "ALMONER_PORT": str(port),
        "ALMONER_DATABASE_URL": dsn,
    }
    written = subprocess.run(
        (*_COMMAND, "migrate", "--write", "ours"), env=environment, cwd=folder, capture_output=True, text=True, timeout=240
    )
    assert written.returncode == 0, written.stderr
    assert list((package / "migrations" / "versions").glob("*_ours.py")), written.stdout
    command = (*_COMMAND, "demo", "--patients", str(patients))
    with subprocess.Popen(
        command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        try:
            said = _until_it_runs(demo)
            yield _entered(folder, environment, f"http://127.0.0.1:{port}", said)
        finally:
            demo.terminate()
            demo.communicate(timeout=60)


def _until_it_runs(demo: subprocess.Popen[str]) -> str:
    assert demo.stdout is not None
    said = ""
    for line in demo.stdout:
        said += line
        if "The reference of the API" in line:
            return said
    raise AssertionError(said)


def _entered(folder: Path, environment: Mapping[str, str], url: str, said: str) -> Site:
    """Signs in with what the demo printed, and has a token made for its client."""
    word = {key: re.search(rf"{key}\s+(\S+)", said) for key in ("E-mail", "Password", "Client id")}
    email, password, client = (found[1] for found in word.values() if found)
    coach = httpx.Client(base_url=url, timeout=60, headers={"Origin": url})
    site = Site(folder, coach, httpx.Client(base_url=url, timeout=60))
    entered = site.send("/sign-in", "/sign-in", email=email, password=password)
    assert entered.status_code == 303, as_read(entered.text)[:400]
    token = subprocess.run(
        (*_COMMAND, "token", "create", "--client", client, "--print"), env=environment, cwd=folder, capture_output=True, text=True
    )
    assert token.returncode == 0, token.stderr
    site.api.headers["Authorization"] = f"Bearer {token.stdout.strip()}"
    return site


def document(site: Site) -> dict[str, Any]:
    """The OpenAPI document as it is served."""
    found: dict[str, Any] = json.loads(site.api.get("/v1/openapi.json").text)
    return found
