"""A clone of the package with what a site has added to it, migrated and served with the demo in
it.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

import almoner
from tests.changes.writing import PATIENCE
from tests.conftest import free_port

_COMMAND = (sys.executable, "-c", "from almoner.cli import main; main()")
_FIELD = re.compile(r'<(?:input|textarea|select)[^>]*? name="([^"]+)"')


@dataclass
class Site:
    """A served clone, a coach of its demo who has signed in, and a program with a token."""

    folder: Path
    coach: httpx.Client
    api: httpx.Client
    environment: Mapping[str, str]
    program: Sequence[str | Path]

    def command(self, *arguments: str) -> str:
        """What a command says; asserts that it succeeds."""
        ran = subprocess.run(
            (*self.program, *arguments),
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert ran.returncode == 0, (arguments, ran.stderr, ran.stdout)
        return ran.stdout

    def page(self, path: str) -> str:
        """A page as a reader has it: without its tags, with single spaces."""
        return as_read(self.html(path))

    def page_with(self, path: str, words: str) -> str:
        """A page once it says this: a server takes up what was published within two seconds."""
        ends_at = time.monotonic() + PATIENCE
        while words not in (page := self.page(path)) and time.monotonic() < ends_at:
            time.sleep(0.1)
        assert words in page
        return page

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

    def hidden(self, page: str, action: str) -> list[tuple[str, str]]:
        """What the hidden fields of the form hold that goes to ``action``."""
        form = form_of(self.html(page), action)
        pairs = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', form)
        return [(name, html.unescape(value)) for name, value in pairs]

    def send(self, page: str, action: str, **text: str) -> httpx.Response:
        """Sends the form of a page that goes to ``action`` as a browser would, with what its
        hidden fields hold.
        """
        return self.post(action, self.hidden(page, action), **text)

    def post(self, action: str, hidden: list[tuple[str, str]], **text: str) -> httpx.Response:
        """Sends a form whose hidden fields held this."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.coach.post(action, content=urlencode([*hidden, *text.items()]), headers=headers)


def form_of(page: str, action: str) -> str:
    """The form of a page that goes to this address; the last, where several do."""
    forms = re.findall(rf'<form[^>]*action="{re.escape(action)}".*?</form>', page, re.DOTALL)
    assert forms, f"no form goes to {action}"
    form: str = forms[-1]
    return form


def names_in(form: str) -> set[str]:
    """What the controls of a form send."""
    return set(_FIELD.findall(form))


def refusals(page: str) -> list[str]:
    """What a page says is wrong."""
    return re.findall(r'class="error"[^>]*>([^<]*)<|banner bad"[^>]*>(.*?)</div>', page)


def as_read(text: str) -> str:
    return " ".join(
        html.unescape(re.sub(r"<[^>]+>", " ", text))
        .replace("\u2068", "")
        .replace("\u2069", "")
        .split()
    )


@contextmanager
def served(dsn: str, folder: Path, changed: Mapping[str, str], patients: int) -> Iterator[Site]:
    """A clone in this folder, on an empty database.

    ``changed``: texts of files of ``resources/`` by their names, new ones among them.
    ``patients``: how many the demo has beside its cast."""
    package = folder / "almoner"
    shutil.copytree(Path(almoner.__file__).parent, package)
    for name, text in changed.items():
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
        (*_COMMAND, "migrate", "--write", "ours"),
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert written.returncode == 0, written.stderr
    assert list((package / "migrations" / "versions").glob("*_ours.py")), written.stdout
    with demo(_COMMAND, folder, environment, patients) as site:
        yield site


@contextmanager
def demo(
    program: Sequence[str | Path], folder: Path, environment: Mapping[str, str], patients: int
) -> Iterator[Site]:
    """``almoner demo`` of this program, with the variables it is started with, until it is left."""
    with subprocess.Popen(
        (*program, "demo", "--patients", str(patients)),
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            output = _until_it_runs(process)
            url = f"http://127.0.0.1:{environment['ALMONER_PORT']}"
            coach = httpx.Client(base_url=url, timeout=60, headers={"Origin": url})
            site = Site(folder, coach, httpx.Client(base_url=url, timeout=60), environment, program)
            _enter(site, output)
            yield site
        finally:
            process.terminate()
            process.communicate(timeout=60)


def _until_it_runs(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    output = ""
    for line in process.stdout:
        output += line
        if "The reference of the API" in line:
            return output
    raise AssertionError(output)


def _enter(site: Site, output: str) -> None:
    """Signs in with what the demo printed, and has a token made for its client."""
    word = {
        key: re.search(rf"{key}\s+(\S+)", output) for key in ("E-mail", "Password", "Client id")
    }
    email, password, client = (match[1] for match in word.values() if match)
    entered = site.send("/sign-in", "/sign-in", email=email, password=password)
    assert entered.status_code == 303, as_read(entered.text)[:400]
    token = site.command("token", "create", "--client", client, "--print")
    site.api.headers["Authorization"] = f"Bearer {token.strip()}"


def document(site: Site) -> dict[str, Any]:
    """The OpenAPI document as it is served."""
    openapi: dict[str, Any] = json.loads(site.api.get("/v1/openapi.json").text)
    return openapi
