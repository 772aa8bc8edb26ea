"""Style sheets and scripts: served under an address that names their content, so that a browser
keeps them for good.

htmx comes out of the package that ships it, the face that texts are set in was made by tools/face
and the icons by tools/icons; everything else is our own. Nothing is fetched from anywhere else."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from almoner.operations.encodings import accepts_packed
from almoner.pages.bundles import bundles

_OURS = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_FACE: Final = "inter.woff2"
_FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class _File:
    """A file as it is sent. ``packed`` is the same under gzip."""

    body: bytes
    packed: bytes
    media_type: str


class StaticFiles:
    """The files that pages refer to, read once."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}
        self._paths: dict[str, str] = {}
        self._add("almoner.svg", (_OURS / "almoner.svg").read_bytes())
        self._add("htmx.js", _htmx().read_bytes())
        self._add("icons.svg", (_OURS / "icons" / "icons.svg").read_bytes())
        self._add(_FACE, (_OURS / "faces" / _FACE).read_bytes())
        for name, body in bundles(_OURS).items():
            self._add(name, body.replace(_FACE.encode(), self.path(_FACE).encode()))

    def path(self, name: str) -> str:
        """The address of a file. Raises KeyError where there is none of this name."""
        return self._paths[name]

    def route(self) -> Route:
        return Route("/static/{digest}/{name}", self._answer)

    def _add(self, name: str, body: bytes) -> None:
        digest = hashlib.sha256(body).hexdigest()[:12]
        self._files[f"{digest}/{name}"] = _File(
            body, gzip.compress(body, mtime=0), _TYPES[Path(name).suffix]
        )
        self._paths[name] = f"/static/{digest}/{name}"

    async def _answer(self, request: Request) -> Response:
        file = self._files.get(f"{request.path_params['digest']}/{request.path_params['name']}")
        if file is None:
            return Response(
                "This file belongs to another version of the page; load the page again.\n", 404
            )
        headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
        # A face is packed in itself.
        if len(file.packed) < len(file.body) and accepts_packed(
            request.headers.get("accept-encoding", "")
        ):
            return Response(
                file.packed,
                headers={**headers, "Content-Encoding": "gzip"},
                media_type=file.media_type,
            )
        return Response(file.body, headers=headers, media_type=file.media_type)


def _htmx() -> Path:
    """The script inside the django-htmx wheel, found without importing it: Django is not
    installed.
    """
    spec = find_spec("django_htmx")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the package django-htmx, which htmx is served from, is not installed")
    return (
        Path(next(iter(spec.submodule_search_locations)))
        / "static"
        / "django_htmx"
        / "htmx-4.min.js"
    )
