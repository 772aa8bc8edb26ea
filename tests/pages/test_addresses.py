"""Addresses of pages: what a wrong method and a slash too many are answered, and where no answer
leads.
"""

from __future__ import annotations

import re

from starlette.routing import compile_path

from almoner.app import PAGES
from tests.conftest import Api, Server
from tests.people import Person
from tests.plain_http import PlainHttp
from tests.web.document import Document

EVIL = "evil.example/x"
PATHS = (
    *(
        "/inbox/",
        "/inbox",
        "/",
        "/docs/",
        "/workshop/",
        "/workshop",
        "/admin",
        "/v1/patients/",
        "/inbox/?a=b",
    ),
    *(
        "//evil.example/",
        "/patients/x/timeline?a=b",
        "/patients/00000000-0000-4000-8000-000000000000",
    ),
)


async def test_every_page_answers_a_wrong_method_with_405_and_the_methods_that_it_takes(
    api: Api,
) -> None:
    methods: dict[str, set[str]] = {}
    for page in PAGES:
        methods.setdefault(page.path, set()).update(page.methods)
    others = {
        "/docs": {"GET"},
        "/healthz": {"GET"},
        "/readyz": {"GET"},
        "/metrics": {"GET"},
        "/static/x/y.css": {"GET"},
    }
    # An address such as /patients/assign is that of a patient too, for other methods.
    shapes = [(compile_path(path)[0], taken) for path, taken in methods.items()]
    wrong = {}
    for path, taken in (methods | others).items():
        address = re.sub(r"{[^}]*}", "00000000-0000-4000-8000-000000000000", path)
        here = set().union(taken, *(also for shape, also in shapes if shape.match(address)))
        for method in {"GET", "POST", "DELETE", "PATCH"} - here:
            answer = await api.request(method, address)
            allowed = {name.strip() for name in answer.headers.get("allow", "").split(",")}
            if answer.status_code != 405 or not (taken & allowed or here & allowed):
                wrong[f"{method} {path}"] = answer.status_code, answer.headers.get("allow")
    assert wrong == {}


async def test_no_answer_leads_where_the_host_of_the_caller_says(
    server: Server, designer: Person
) -> None:
    cookies = "; ".join(f"{name}={value}" for name, value in designer.cookies.items())
    wrong = {}
    async with PlainHttp(base_url=server.url, headers={"Host": EVIL}) as nobody:
        for path in PATHS:
            for who in ("", cookies):
                answer = await nobody.get(path, headers={"Cookie": who})
                location = answer.headers.get("location", "")
                if "evil" in location or location.startswith("//"):
                    wrong[path, bool(who)] = location
                if Document(answer).mentions("evil") and not path.startswith("//"):
                    wrong[path, bool(who)] = "named in the page"
        answer = await nobody.get("/inbox/?a=b%20c")
        assert (answer.status_code, answer.headers["location"]) == (308, "/inbox?a=b%20c")
        assert (await nobody.get("/nothing/")).status_code == 404
    assert wrong == {}
