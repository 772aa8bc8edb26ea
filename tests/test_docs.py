"""The generated pages are complete and up to date, and the reference needs nothing but this
server.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from typer.testing import CliRunner

from almoner import reference
from almoner.app import PAGES as ROUTES
from almoner.commands.docs import app, generated
from almoner.data_api.declare import Verb
from almoner.data_api.describe import scopes
from almoner.errors import PROBLEMS
from almoner.pages.route import SIGNED_IN
from almoner.reference import content, guide
from almoner.reference.page import pages
from almoner.resources import RESOURCES
from almoner.settings import Settings
from almoner.workshop.breakages import WORDS
from tests.cases import every_case
from tests.plain_http import PlainHttp
from tests.web.document import Document

pytestmark = pytest.mark.house

ROOT = Path(__file__).parents[1]
URL = "https://care.example.org"
COLLECTIONS = {f"/docs/{r.name}": r for r in RESOURCES}
VOID = {"meta", "link", "img", "br", "hr", "input", "path", "rect"}


class Outline(HTMLParser):
    """What a test wants to know of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.headings: list[int] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.add(tag)
        self.attributes |= values.keys()
        if values.get("id"):
            self.ids.append(str(values["id"]))
        if tag in ("a", "link") and values.get("href"):
            self.links.append(str(values["href"]))
        if re.fullmatch(r"h[1-6]", tag) and "nav" not in self.open:
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


# Made for the tests of this file, not by every process that collects it.
@pytest.fixture(scope="module")
def drawn() -> dict[str, str]:
    return pages(RESOURCES, URL)


@pytest.fixture(scope="module")
def outlines(drawn: dict[str, str]) -> dict[str, Outline]:
    return {path: Outline(html) for path, html in drawn.items()}


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return generated()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Starlette(routes=reference.routes(RESOURCES, URL)))
    async with PlainHttp(transport=transport, base_url=URL) as opened:
        yield opened


@pytest.mark.parametrize("name", ["errors.md", "settings.md", "pages.md", "program.schema.json"])
def test_the_generated_pages_are_up_to_date(name: str, written: dict[str, str]) -> None:
    stored = (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")
    assert stored == written[name], "Run: almoner docs write"


def test_the_command_writes_every_generated_page(tmp_path: Path, written: dict[str, str]) -> None:
    done = CliRunner().invoke(app, ["write", "--to", str(tmp_path / "new")])
    assert done.exit_code == 0
    assert {p.name: p.read_text(encoding="utf-8") for p in (tmp_path / "new").iterdir()} == written


def test_the_page_of_errors_has_every_problem_with_its_status_and_remedy(
    written: dict[str, str],
) -> None:
    page = written["errors.md"]
    for kind in PROBLEMS.values():
        section = page.partition(f"\n## {kind.code}\n")[2].partition("\n## ")[0]
        assert f"Status {kind.status}. {kind.remedy}" in section
        assert f'"title": "{kind.title}"' in section


def test_the_page_of_settings_has_every_setting_with_its_default_and_reason(
    written: dict[str, str],
) -> None:
    page = written["settings.md"]
    for item in dataclasses.fields(Settings):
        section = page.partition(f"\n## {item.metadata['env']}\n")[2].partition("\n## ")[0]
        assert item.metadata["about"] in section
        assert ("none" if item.default == "" else f"`{item.default}`") in section
        assert ("secret" in section.rpartition("Default:")[2]) is item.metadata["secret"]


def test_the_page_of_pages_has_every_route_with_its_methods_and_who_it_opens_to(
    written: dict[str, str],
) -> None:
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \| (.+?) \| .*\|$", written["pages.md"], re.MULTILINE)
    listed = {
        (
            path,
            method,
            frozenset(
                re.sub("whoever has signed in", SIGNED_IN, opens.replace("`", "")).split(" or ")
            ),
        )
        for path, methods, opens in rows
        for method in methods.split(", ")
    }
    assert listed == {
        (route.path, method, route.permissions) for route in ROUTES for method in route.methods
    }


def test_no_variable_of_ours_is_read_without_being_a_setting() -> None:
    known = {item.metadata["env"] for item in dataclasses.fields(Settings)}
    named = {
        name
        for path in (ROOT / "src" / "almoner").rglob("*.py")
        for name in re.findall(r"\bALMONER_[A-Z_]+[A-Z]\b", path.read_text(encoding="utf-8"))
    }
    assert named <= known


def test_a_page_needs_no_script_no_inline_style_and_no_other_server(
    outlines: dict[str, Outline],
) -> None:
    with every_case() as cases:
        for path, outline in outlines.items():
            with cases.case(path):
                assert not outline.tags & {"script", "style", "iframe", "img", "object"}
                assert "style" not in outline.attributes
                assert not {a for a in outline.attributes if a.startswith("on")}
                outside = [
                    link for link in outline.links if not link.startswith(("/", "#", "data:"))
                ]
                assert outside == []


def test_a_page_has_one_title_and_headings_that_skip_no_level(outlines: dict[str, Outline]) -> None:
    with every_case() as cases:
        for path, outline in outlines.items():
            with cases.case(path):
                headings = outline.headings
                assert headings.count(1) == 1
                assert headings[0] == 1
                assert all(after - before <= 1 for before, after in pairwise(headings))


def test_a_page_is_well_formed_and_its_anchors_are_there_once(outlines: dict[str, Outline]) -> None:
    with every_case() as cases:
        for path, outline in outlines.items():
            with cases.case(path):
                assert outline.open == []
                assert len(outline.ids) == len(set(outline.ids))
                for link in outline.links:
                    target, _, anchor = link.partition("#")
                    target = target.partition("?")[0] or path
                    if target in outlines and anchor:
                        assert anchor in outlines[target].ids, link
                    elif not link.startswith("data:"):
                        assert target in {*outlines, "/docs/reference.css", "/v1/openapi.json"}, (
                            link
                        )


def test_a_collection_page_has_every_field_and_every_verb(
    drawn: dict[str, str], outlines: dict[str, Outline]
) -> None:
    with every_case() as cases:
        for path, resource in COLLECTIONS.items():
            with cases.case(path):
                names = {line.name for line in content.lines(resource)}
                assert {f.name for f in resource.fields if f.returned or f.create} <= names
                html = drawn[path].replace("\u200b", "")
                for name in names:
                    assert f"<code>{name}</code>" in html
                for verb in Verb:
                    assert (verb.name.lower() in outlines[path].ids) is (verb in resource.verbs)
                assert f"{URL}/v1/{resource.name}" in html


def test_every_type_of_a_field_is_explained_in_the_guide() -> None:
    used = {line.type for resource in RESOURCES for line in content.lines(resource)}
    assert used == {name for name, _ in content.kinds(RESOURCES)}


def test_the_guide_has_every_section_every_problem_and_every_scope(
    drawn: dict[str, str], outlines: dict[str, Outline]
) -> None:
    html = drawn["/docs"].replace("\u200b", "")
    assert {anchor for anchor, _ in guide.SECTIONS} <= set(outlines["/docs"].ids)
    assert all(f"<code>{code}</code>" in html for code in PROBLEMS)
    assert all(f"<code>{name}</code>" in html for name, _ in scopes(RESOURCES))


async def test_pages_come_with_a_strict_policy_and_are_not_sent_twice(
    client: httpx.AsyncClient, drawn: dict[str, str]
) -> None:
    for path in [*drawn, "/docs/reference.css"]:
        answer = await client.get(path)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        again = await client.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


async def test_the_address_with_a_slash_leads_to_the_guide(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs/", follow_redirects=True)
    assert answer.url.path == "/docs"
    assert Document(answer).heading("Data API")


def test_the_style_sheet_has_both_colour_schemes_and_loads_nothing() -> None:
    css = (ROOT / "src/almoner/reference/static/reference.css").read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in css
    assert "url(" not in css
    assert "@import" not in css


def test_the_guide_of_the_workshop_explains_every_word_for_what_breaks() -> None:
    guide = (ROOT / "docs" / "workshop.md").read_text()
    assert [word for word in WORDS if f"| `{word}` |" not in guide] == []
