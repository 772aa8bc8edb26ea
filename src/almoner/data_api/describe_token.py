"""Where access tokens come from, in the OpenAPI document (RFC 7523, RFC 6749)."""

from __future__ import annotations

from typing import Any

from almoner.data_api import describe_schemas as schemas
from almoner.data_api.describe_answers import refusals, success
from almoner.data_api.describe_operations import Operation
from almoner.vocabulary.kinds import Schema

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def token(url: str) -> Operation:
    """Where access tokens come from (RFC 7523, RFC 6749)."""
    sample = {
        "grant_type": JWT_BEARER,
        "assertion": "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiIuLi4ifQ.c2lnbmF0dXJl",
    }
    token_schema: Schema = schemas.object_of(
        {
            "access_token": {"type": "string"},
            "token_type": {"type": "string", "const": "Bearer"},
            "expires_in": {"type": "integer", "description": "Seconds until it expires."},
            "scope": {"type": "string"},
        }
    )
    answer = {
        "access_token": "eyJhbGciOiJIUzI1NiJ9...",
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": "all",
    }
    refused = success("The assertion was refused.", schemas.ref("TokenRefused"), token_refused())
    content = {
        kind: {"schema": _assertion(url), "example": sample}
        for kind in ("application/x-www-form-urlencoded", "application/json")
    }
    return {
        "operationId": "fetchToken",
        "tags": ["token"],
        "summary": "Fetch an access token",
        "description": (
            "Exchanges an assertion, signed with a client's secret, for an access token."
        ),
        "security": [],
        "requestBody": {"required": True, "content": content},
        "responses": {
            "200": success("A token.", token_schema, answer),
            **refusals(),
            "400": refused,
        },
    }


def _assertion(url: str) -> Schema:
    return schemas.object_of(
        {
            "grant_type": {"type": "string", "const": JWT_BEARER},
            "assertion": schemas.string(
                "A JWT signed with the client secret by HS256. `iss`: the client id. `aud`:"
                f" `{url}/v1/token`. `exp`: when it ends to be of use; further than a day ahead"
                " counts as a day. `scope`: what the token shall cover; words that are no"
                " scope are left out."
            ),
            "scope": schemas.string(
                "What the token shall cover. Where the assertion has a scope too, the narrower"
                " of the two."
            ),
        },
        ["grant_type", "assertion"],
    )


def token_refused() -> dict[str, Any]:
    detail = "The assertion has expired."
    problem = {
        "status": 400,
        "code": "bad_request",
        "title": "Bad Request",
        "detail": detail,
        "extra": {},
    }
    return {"error": "invalid_grant", "error_description": detail, "errors": [problem]}


def token_refused_schema() -> Schema:
    """RFC 6749's error (section 5.2) with the contract's ``errors`` beside it."""
    return schemas.object_of(
        {
            "error": {"type": "string"},
            "error_description": {"type": "string"},
            "errors": {"type": "array", "items": schemas.ref("Problem")},
        }
    )
