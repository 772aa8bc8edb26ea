"""Signing in through a company's own identity provider: OpenID Connect, code flow with PKCE (OpenID
Connect Core 1.0, RFC 7636).

The provider says who somebody is, and asks for its own second factor; which worker that is, and
what they may do, is said here."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import msgspec
import structlog
from authlib.oauth2.client import OAuth2Client  # type: ignore[import-untyped]
from authlib.oauth2.rfc6749.parameters import prepare_token_request  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

from almoner.access import sealed_cookies
from almoner.access.secrets import SecretBox
from almoner.outbound import connections, targets
from almoner.outbound.connections import RefusedError
from almoner.outbound.targets import TargetError
from almoner.vocabulary import json_values
from almoner.vocabulary.json_values import JsonError

SECONDS: Final = 600  # from the button to the way back
SKEW: Final = 60  # seconds that the provider's clock may be off
CACHED_SECONDS: Final = 3600.0  # how long what the provider publishes about itself is believed
REFETCH_SECONDS: Final = 60.0  # how often a key that is not known may make us look again
ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
)
_LARGEST: Final = 1_000_000  # bytes of an answer
_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
_WEAK: Final = (
    "You were signed in there without the second factor that is needed here. Sign out there, sign"
    " in again with it, and come back. If it did not ask you for one, tell whoever runs the server."
)
_SEALED_FOR: Final = "the way to the identity provider and back"


@dataclass(frozen=True, slots=True)
class OidcProvider:
    """A provider, as its operator registered this server there. ``name`` is what the sign-in page
    calls it.

    ``acr``, ``amr``: the classes and methods of authentication of which it must vouch for one each,
    where any are named (OpenID Connect Core 1.0, 2; RFC 8176). That is a second factor then. The
    class ``any``: whatever it says, it has asked for one."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str
    acr: tuple[str, ...] = ()
    amr: tuple[str, ...] = ()

    def vouched(self, claims: Mapping[str, Any]) -> bool:
        """Whether the claims hold what the provider must vouch for."""
        amr = claims.get("amr")
        named = amr if isinstance(amr, list) else []
        return ("any" in self.acr or not self.acr or claims.get("acr") in self.acr) and (
            not self.amr or any(method in self.amr for method in named)
        )


@dataclass(frozen=True, slots=True)
class ProviderRedirect:
    """Where the browser is sent, and the value of the cookie that it comes back with, within ten
    minutes.
    """

    url: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the provider vouches for. ``subject`` is ``issuer|subject``; ``email`` is None where the
    provider did not verify it.

    ``environment`` is the name of the one that was chosen before; ``target`` the path to go on to.
    ``second_factor``: the provider has vouched for one."""

    subject: str
    email: str | None
    environment: str
    target: str
    second_factor: bool = False


class OidcError(Exception):
    """It could not be found out who somebody is. The text is for the log; the person is told
    ``message``, or to try again.
    """

    def __init__(self, text: str, message: str = "") -> None:
        super().__init__(text)
        self.message = message


class _Way(msgspec.Struct, frozen=True):
    state: str
    nonce: str
    verifier: str
    environment: str
    target: str
    expires: float


class _Published(msgspec.Struct, frozen=True):
    """What a provider says of itself (OpenID Connect Discovery 1.0, 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    authorization_response_iss_parameter_supported: bool = False


class Oidc:
    """Signs workers in through one provider. ``redirect_uri`` is the address of our page that it
    sends them back to.

    A provider inside the house may name addresses inside the house, one outside may not unless
    ``private_targets``. ``clock`` tells seconds since 1970, UTC."""

    def __init__(
        self,
        provider: OidcProvider,
        redirect_uri: str,
        box: SecretBox,
        clock: Callable[[], float] = time.time,
        private_targets: bool = False,
    ) -> None:
        self.provider = provider
        self._redirect_uri = redirect_uri
        self._box = box
        self._clock = clock
        self._always_private = private_targets
        self._private = private_targets
        self._published: tuple[float, _Published] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._fetching = asyncio.Lock()
        self._log = structlog.get_logger()

    async def start(self, environment: str, target: str) -> ProviderRedirect:
        """Begins to sign in to the environment of this name, and to go on to the path ``target``.

        Raises OidcError where the provider cannot be reached or is not the one that was set up.
        """
        published = await self._discovered()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        way = _Way(
            state=state,
            nonce=nonce,
            verifier=verifier,
            environment=environment,
            target=target,
            expires=self._clock() + SECONDS,
        )
        url, _ = self._client().create_authorization_url(
            published.authorization_endpoint,
            state=way.state,
            nonce=way.nonce,
            code_verifier=way.verifier,
            **self._asked_for(),
        )
        return ProviderRedirect(url, sealed_cookies.seal(self._box, way, _SEALED_FOR))

    async def finish(self, cookie: str, query: Mapping[str, str]) -> Identity:
        """Who came back. ``query`` is the query string that the provider sent them with.

        Raises OidcError where they did not start here, took too long, or the provider does not
        vouch for them."""
        way = self._opened(cookie)
        if not secrets.compare_digest(query.get("state", "").encode(), way.state.encode()):
            raise OidcError("the state is not the one that was sent")
        published = await self._discovered()
        answered_by = query.get("iss")
        if answered_by != published.issuer and (
            answered_by or published.authorization_response_iss_parameter_supported
        ):
            raise OidcError("another issuer answered")
        if not query.get("code"):
            raise OidcError(f"the provider refused: {query.get('error', 'no code')[:100]}")
        claims = await self._claims(
            published, await self._id_token(published, query["code"], way.verifier), way.nonce
        )
        if not self.provider.vouched(claims):
            raise OidcError(
                f"the provider vouches for acr {str(claims.get('acr'))[:60]!r}, amr"
                f" {str(claims.get('amr'))[:60]}",
                _WEAK,
            )
        email = claims.get("email")
        verified = claims.get("email_verified") is True and isinstance(email, str)
        return Identity(
            f"{published.issuer}|{claims['sub']}",
            email if verified else None,
            way.environment,
            way.target,
            bool(self.provider.acr or self.provider.amr),
        )

    def _asked_for(self) -> dict[str, str]:
        classes = [name for name in self.provider.acr if name != "any"]
        return {"acr_values": " ".join(classes)} if classes else {}

    def _client(self) -> Any:
        return OAuth2Client(
            None,
            client_id=self.provider.client_id,
            client_secret=self.provider.client_secret,
            scope="openid email profile",
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
        )

    def _opened(self, cookie: str) -> _Way:
        way = sealed_cookies.unseal(self._box, cookie, _SEALED_FOR, _Way)
        if way is None:
            raise OidcError("there is no cookie of ours")
        if self._clock() >= way.expires:
            raise OidcError("it took longer than ten minutes")
        return way

    async def _id_token(self, published: _Published, code: str, verifier: str) -> str:
        body = prepare_token_request(
            "authorization_code",
            "",
            redirect_uri=self._redirect_uri,
            code=code,
            code_verifier=verifier,
        )
        methods = published.token_endpoint_auth_methods_supported
        method = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        url, headers, body = (
            self._client()
            .client_auth(method)
            .prepare("POST", published.token_endpoint, headers, body)
        )
        answer = await self._fetched("POST", url, headers, body)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise OidcError("the answer has no ID token")
        return token

    async def _claims(self, published: _Published, id_token: str, nonce: str) -> dict[str, Any]:
        offered = published.id_token_signing_alg_values_supported
        allowed = [name for name in ALGORITHMS if name in offered]
        try:
            try:
                token = jwt.decode(id_token, await self._key_set(published), algorithms=allowed)
            except (JoseError, ValueError):
                # The provider may have changed its keys since we looked.
                token = jwt.decode(
                    id_token, await self._key_set(published, anew=True), algorithms=allowed
                )
            JWTClaimsRegistry(
                now=int(self._clock()),
                leeway=SKEW,
                iss={"essential": True, "value": published.issuer},
                aud={"essential": True, "value": self.provider.client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(token.claims)
        except (JoseError, ValueError, TypeError) as error:
            raise OidcError(f"the ID token is not valid: {type(error).__name__}") from None
        claims: dict[str, Any] = token.claims
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if (
            claims.get("azp", None if several else self.provider.client_id)
            != self.provider.client_id
        ):
            raise OidcError("the ID token was made for another client")
        return claims

    async def _discovered(self) -> _Published:
        async with self._fetching:
            if self._published is None or self._clock() >= self._published[0]:
                url = f"{self.provider.issuer.rstrip('/')}/.well-known/openid-configuration"
                try:
                    # Where the issuer is, the operator has said: it may be anywhere.
                    answer, from_inside = await _fetch("GET", url, private_targets=True)
                    published = msgspec.convert(answer, _Published)
                except msgspec.ValidationError as error:
                    raise OidcError(
                        f"what the provider says of itself does not fit: {error}"
                    ) from None
                if published.issuer != self.provider.issuer:
                    raise OidcError(
                        "the provider calls itself otherwise than ALMONER_OIDC_ISSUER does"
                    )
                self._private = self._always_private or from_inside
                self._published = (self._clock() + CACHED_SECONDS, published)
            return self._published[1]

    async def _key_set(self, published: _Published, anew: bool = False) -> KeySet:
        async with self._fetching:
            cached = self._keys
            age = CACHED_SECONDS if cached is None else self._clock() - cached[0]
            if cached is None or age >= (REFETCH_SECONDS if anew else CACHED_SECONDS):
                try:
                    keys = KeySet.import_key_set(await self._fetched("GET", published.jwks_uri))
                except (JoseError, ValueError, KeyError, TypeError):
                    raise OidcError("the provider's keys cannot be read") from None
                cached = self._keys = (self._clock(), keys)
            return cached[1]

    async def _fetched(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
    ) -> Any:
        answer, _ = await _fetch(method, url, headers, body, private_targets=self._private)
        return answer


async def _fetch(
    method: str,
    url: str,
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
    *,
    private_targets: bool,
) -> tuple[dict[str, Any], bool]:
    """An answer of the provider, a JSON object, and whether it came from a private address.

    A redirect is no answer: what we send is for the address that was set up.
    """
    dialled: list[str] = []
    try:
        connector = connections.connector(private_targets, dialled=dialled)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as http,
            http.request(
                method,
                targets.read(url, private_targets),
                headers=headers,
                data=body,
                allow_redirects=False,
            ) as answer,
        ):
            status, raw = answer.status, bytearray()
            async for chunk in answer.content.iter_chunked(65_536):
                raw += chunk
                if len(raw) > _LARGEST:
                    raise OidcError("the provider's answer is too long")
    except TargetError as error:
        raise OidcError(f"an address of the provider {error}") from None
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, RefusedError):
            raise OidcError(f"an address of the provider {error.os_error}") from None
        raise OidcError(f"the provider cannot be reached: {type(error).__name__}") from None
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise OidcError(f"the provider cannot be reached: {type(error).__name__}") from None
    if status != 200:
        raise OidcError(f"the provider answered {status}")
    try:
        value = json_values.object_from_outside(raw)
    except JsonError:
        raise OidcError("the provider's answer is no JSON object") from None
    return value, connections.are_inside(dialled)
