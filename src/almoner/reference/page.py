"""The reference under ``/docs``: a guide and a page for each collection, whole in their HTML,
without a script.

Everything comes from this server, so that the pages work without the internet and under the
strictest content policy."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from almoner.data_api import conditions
from almoner.data_api import describe_examples as examples
from almoner.data_api.declare import Resource
from almoner.data_api.describe import Addition, scopes
from almoner.errors import PROBLEMS
from almoner.operations.encodings import accepts_packed
from almoner.reference import content, guide
from almoner.reference.highlight import as_json, prose
from almoner.vocabulary.fields import Shape

_HERE = Path(__file__).parent
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action"
    " 'none'; frame-ancestors 'none'"
)
_HEADERS = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}


def routes(
    resources: Sequence[Resource], public_url: str, additions: Sequence[Addition] = ()
) -> list[Route]:
    """The routes of the reference.

    ``public_url`` is the address by which clients reach the server, without a slash at the end: the
    commands on the pages are made of it. The pages are drawn here, once; answering is sending
    bytes."""
    css = (_HERE / "static" / "reference.css").read_bytes()
    version = hashlib.sha256(css).hexdigest()[:12]
    answers = [
        Route("/docs/", _to_guide),
        Route("/docs/reference.css", _file(css, "text/css; charset=utf-8"), name="reference_css"),
    ]
    for path, html in pages(resources, public_url, version, additions).items():
        answers.append(Route(path, _page(html)))
    return answers


def pages(
    resources: Sequence[Resource],
    public_url: str,
    version: str = "",
    additions: Sequence[Addition] = (),
) -> dict[str, str]:
    """The HTML of every page by its path. ``version`` names the style sheet's content: a new one is
    fetched at once.
    """
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = prose
    common: dict[str, Any] = {
        "resources": resources,
        "url": public_url,
        "version": version,
        "sections": (
            *guide.SECTIONS,
            *((addition.tag, addition.tag.capitalize()) for addition in additions),
        ),
        "titles": {r.name: r.title for r in resources},
    }
    texts = {
        "/docs": (
            environment.get_template("guide.html").render(
                common | _guide(resources, public_url, additions)
            )
        )
    }
    template = environment.get_template("collection.html")
    for resource in resources:
        own = {
            "resource": resource,
            "lines": content.lines(resource),
            "verbs": content.verbs(resource, public_url),
            "row": as_json(examples.row(resource)),
        }
        texts[f"/docs/{resource.name}"] = template.render(common | own)
    return texts


def _guide(
    resources: Sequence[Resource], url: str, additions: Sequence[Addition]
) -> dict[str, Any]:
    sample = next((r for r in resources if r.name == "phone_numbers"), resources[0])
    return {
        "resource": None,
        "chapters": guide.SECTIONS,
        "verbs": (),
        "token": guide.token_example(url),
        "call": guide.first_call(url),
        "short_call": guide.test_call(url),
        "bare_one": as_json(guide.brief(examples.row(sample))),
        "enveloped_one": as_json(
            guide.brief({"data": guide.brief(examples.row(sample, Shape.ENVELOPED), 4)})
        ),
        "bare_page": as_json(guide.brief_page(examples.page(sample, url))),
        "enveloped_page": as_json(guide.brief_page(examples.page(sample, url, Shape.ENVELOPED))),
        "paging": guide.paging_example(url),
        "problems": tuple(PROBLEMS.values()),
        "problem": as_json(guide.two_problems()),
        "kinds": content.kinds(resources),
        "scopes": scopes(resources, additions),
        "additions": [(addition, content.operations_of(addition)) for addition in additions],
        "changes": as_json(examples.changes(tuple(resources))),
        "changes_call": guide.changes_call(url),
        "if_match": guide.if_match_call(sample, url),
    }


class PageHandler(Protocol):
    async def __call__(self, request: Request) -> Response: ...


def _page(html: str) -> PageHandler:
    return _file(html.encode(), "text/html; charset=utf-8")


def _file(body: bytes, media_type: str) -> PageHandler:
    """A handler that sends these bytes, under gzip to who takes that, and 304 to who has them
    already.
    """
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = {**_HEADERS, "ETag": tag, "Vary": "Accept-Encoding"}
    small = gzip.compress(body, mtime=0)

    async def answer(request: Request) -> Response:
        if conditions.names(
            request.headers.get("if-none-match", "").encode("latin-1"), tag.encode()
        ):
            return Response(status_code=304, headers=headers)
        if accepts_packed(request.headers.get("accept-encoding", "")):
            return Response(
                small, media_type=media_type, headers={**headers, "Content-Encoding": "gzip"}
            )
        return Response(body, media_type=media_type, headers=headers)

    return answer


async def _to_guide(request: Request) -> Response:
    return RedirectResponse("/docs", status_code=308)
