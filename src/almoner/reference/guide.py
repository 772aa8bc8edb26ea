"""The examples of the guide, the first page of the reference."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from almoner.data_api import describe_examples as examples
from almoner.data_api.declare import Resource
from almoner.data_api.describe_token import JWT_BEARER
from almoner.errors import ApiError, Problem, parse_problem, problem_objects
from almoner.reference.highlight import python, shell

# The anchors of the guide and their titles, in order.
SECTIONS = (
    ("first-call", "First call"),
    ("requests", "Requests"),
    ("shapes", "Shapes"),
    ("paging", "Paging"),
    ("times", "Times"),
    ("types", "Types"),
    ("concurrency", "Safe updates"),
    ("errors", "Errors"),
    ("scopes", "Scopes"),
    ("change-feed", "Change feed"),
)


def token_example(url: str) -> Markup:
    return python(f"""\
import time
import jwt        # PyJWT
import requests

URL = "{url}"

claims = {{
    "iss": CLIENT_ID,
    "aud": f"{{URL}}/v1/token",
    "exp": int(time.time()) + 3600,
    "scope": "all",
}}
answer = requests.post(f"{{URL}}/v1/token", data={{
    "grant_type": "{JWT_BEARER}",
    "assertion": jwt.encode(claims, CLIENT_SECRET, "HS256"),
}})
answer.raise_for_status()
token = answer.json()["access_token"]""")


def first_call(url: str) -> Markup:
    return python("""\
patients = requests.get(
    f"{URL}/v1/patients",
    headers={"Authorization": f"Bearer {token}"},
    params={"page[size]": 2},
).json()

for patient in patients[0]["data"]:
    print(patient["first_name"], patient["phase"])""")


def test_call(url: str) -> Markup:
    return shell(
        f"curl -G {url}/v1/patients \\\n"
        '  -H "Authorization: Bearer $TOKEN" \\\n'
        "  -d 'page[size]=2'"
    )


def paging_example(url: str) -> Markup:
    return python("""\
href = f"{URL}/v1/patients"
while href:
    page = session.get(href).json()[0]
    for patient in page["data"]:
        save(patient)
    href = page.get("links", {}).get("next", {}).get("href")

# Where the next poll goes on: its page[from].
remember(page["meta"]["complete_until"])""")


def changes_call(url: str) -> Markup:
    return shell(f"""\
curl -G {url}/v1/changes \\
  -H "Authorization: Bearer $TOKEN" \\
  -d after=$CURSOR \\
  -d limit=100""")


def if_match_call(resource: Resource, url: str) -> Markup:
    name = f"{url}/v1/{resource.name}/{examples.row_id(resource.name)}"
    return shell(f"""\
curl -X PUT {name} \\
  -H "Authorization: Bearer $TOKEN" \\
  -H 'If-Match: "{examples.MOMENT}"' \\
  -H "Idempotency-Key: \\"$(uuidgen)\\"" \\
  -d '{{"friendly_name": "work"}}'""")


def brief(row: dict[str, Any], keys: int = 4) -> dict[str, Any]:
    """The first keys of a row: enough to show a shape."""
    return dict(list(row.items())[:keys])


def brief_page(page: Any) -> Any:
    """A page whose rows are cut short."""
    if isinstance(page, list):
        return [brief_page(part) for part in page]
    return {**page, "data": [brief(row, 3) for row in page["data"]]}


def two_problems() -> dict[str, Any]:
    """A body with two problems, reported at once."""
    missing = Problem(
        "parse_exception", "Missing required field at .last_name", {"path": ".last_name"}
    )
    hint = "a zip code of five digits is expected, such as 94110"
    return {
        "errors": problem_objects(ApiError([parse_problem("zip_code", ".zip_code", hint), missing]))
    }
