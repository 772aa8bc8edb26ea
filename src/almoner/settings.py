"""Every setting of Almoner: its environment variable, its default and the reason for it.

Settings are read once, by a composition root, and handed in; nothing else looks at the environment.
The page of settings in the docs is printed from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

from almoner import home as homes
from almoner.access.key_file import KeySource
from almoner.errors import SettingError
from almoner.vocabulary.definitions import Permission


def _setting(env: str, about: str, default: Any = None, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"env": env, "about": about, "secret": secret})


@dataclass(frozen=True)
class Settings:
    """What the ``ALMONER_`` variables set; docs/reference says of each what stands here."""

    home: Path = _setting(
        "ALMONER_HOME",
        "Folder of the key file, of the demo's database and of what is kept between runs. By"
        " default .almoner of the current folder where that is there (the demo makes it), and"
        " otherwise $XDG_DATA_HOME/almoner, which is ~/.local/share/almoner. In production name it,"
        " or set ALMONER_SECRET_KEY: processes of other users and machines need the same key.",
        homes.BESIDE,
    )
    host: str = _setting(
        "ALMONER_HOST",
        "Address to listen on. Loopback by default: a server is opened to a network on purpose,"
        " behind a proxy that speaks TLS.",
        "127.0.0.1",
    )
    port: int = _setting("ALMONER_PORT", "Port to listen on.", 8000)
    public_url: str = _setting(
        "ALMONER_PUBLIC_URL",
        "The address by which others reach this server, without a slash at the end. Links, the"
        " audience of assertions and notifications are made of it. By default http://HOST:PORT.",
        "",
    )
    database_url: str = _setting(
        "ALMONER_DATABASE_URL",
        "PostgreSQL 15 to 18, as postgresql://user:password@host:port/name. When it is not set,"
        " commands use the database of the demo that runs in ALMONER_HOME.",
        "",
        secret=True,
    )
    owner_database_url: str = _setting(
        "ALMONER_OWNER_DATABASE_URL",
        "The same database by the role that owns its tables, for almoner migrate and backups. Where"
        " it is set, the role of ALMONER_DATABASE_URL is granted what serving needs and no more: it"
        " can neither rewrite the logs nor change tables. Processes that serve need not have it.",
        "",
        secret=True,
    )
    standby_url: str = _setting(
        "ALMONER_STANDBY_URL",
        "A standby of the same database, by its own address. Finds that name page[to] are answered"
        " by it where it has come that far, as polls and hrefs of notifications do; everything else"
        " by the primary. Not needed before the primary is full.",
        "",
        secret=True,
    )
    secret_key: str = _setting(
        "ALMONER_SECRET_KEY",
        "32 bytes in base64 that client secrets are encrypted with. By default the file secret.key"
        " in ALMONER_HOME, made at the first start. Keep a copy: without it no client can fetch a"
        " token. While it is replaced, the new one and the old one, with a blank between"
        " (docs/operating/keys.md).",
        "",
        secret=True,
    )
    allow_http: bool = _setting(
        "ALMONER_ALLOW_HTTP",
        "Whether `serve` may be reached from other machines over http: 1 or 0. Not by default,"
        " since passwords and what is known of patients would be read on the way; behind a proxy"
        " that speaks TLS, ALMONER_PUBLIC_URL begins with https:// and nothing is to be allowed.",
        False,
    )
    client_secret: str = _setting(
        "ALMONER_CLIENT_SECRET",
        "The secret that `subscription create` and `receive` are given, where neither an argument"
        " nor a file gives it.",
        "",
        secret=True,
    )
    backup_dir: str = _setting(
        "ALMONER_BACKUP_DIR",
        "The folder that `backup` and `restore` work with where none is named: on another disk than"
        " the database's, or in an object store as s3://BUCKET/PREFIX.",
        "",
    )
    s3_endpoint: str = _setting(
        "AWS_ENDPOINT_URL",
        "Where the object store of backups is, where it is not Amazon's: https://HOST[:PORT].",
        "",
    )
    patients: int = _setting(
        "ALMONER_PATIENTS",
        "How many patients the demo makes: enough to page through, made in seconds.",
        500,
    )
    connections: int = _setting(
        "ALMONER_CONNECTIONS",
        "Database connections of each process. Sixteen keep one core busy; more only queue in"
        " PostgreSQL.",
        16,
    )
    body_limit: int = _setting(
        "ALMONER_BODY_LIMIT",
        "Longest body of a request, in bytes. One MiB holds any single resource.",
        1_048_576,
    )
    import_rows: int = _setting(
        "ALMONER_IMPORT_ROWS",
        "The most rows of a file that is imported on a page; its bytes are bounded by"
        " ALMONER_BODY_LIMIT, of which it may have three quarters. More are loaded by"
        " `almoner-client import`, which holds no part of a file in the server.",
        20_000,
    )
    request_seconds: int = _setting(
        "ALMONER_REQUEST_SECONDS",
        "How long a request may take, its body's arrival included, before it is answered 503. Half"
        " a minute is what clients wait.",
        30,
    )
    client_limit: int = _setting(
        "ALMONER_CLIENT_LIMIT",
        "Requests that one process works on at the same time; further ones are answered 503 at"
        " once.",
        1000,
    )
    private_targets: bool = _setting(
        "ALMONER_ALLOW_PRIVATE_TARGETS",
        "Whether notifications may go to private addresses and without TLS: 1 or 0. Not by default,"
        " since whoever makes a subscription could reach into this network; the demo does it.",
        False,
    )
    ca_file: str = _setting(
        "ALMONER_CA_FILE",
        "A file of certificates in PEM that the receivers of notifications may be certified by,"
        " beside the public authorities that the system trusts: for receivers within a network that"
        " has an authority of its own.",
        "",
    )
    coalesce_seconds: float = _setting(
        "ALMONER_COALESCE_SECONDS",
        "How long a change waits for others to be announced with it, from 0 to 60. A second spares"
        " a receiver most requests of a busy time, and nobody notices it.",
        1.0,
    )
    delivery_days: int = _setting(
        "ALMONER_DELIVERY_DAYS",
        "Days that attempts to notify are kept. A month is enough to look into what a subscriber"
        " asks about.",
        30,
    )
    task_days: int = _setting(
        "ALMONER_TASK_DAYS",
        "Days that what the tasks of an integration were given and answered with is kept once their"
        " job has ended, from 0 to 36500. It may tell of patients; a job can be repaired as long as"
        " it is there. With 0 it goes within two minutes.",
        30,
    )
    trusted_proxies: str = _setting(
        "ALMONER_TRUSTED_PROXIES",
        "Addresses or networks of the proxies, separated by commas, whose X-Forwarded-For tells"
        " where a caller is: failed attempts at a token are counted by that address. Only this"
        " machine by default.",
        "127.0.0.1",
    )
    idle_minutes: int = _setting(
        "ALMONER_IDLE_MINUTES",
        "Minutes without a click after which a worker is signed out, from 1 to 720. A quarter of an"
        " hour is what a desk in an open office can be left for.",
        15,
    )
    inactive_days: int = _setting(
        "ALMONER_INACTIVE_DAYS",
        "Days without a message, an appointment or a change after which a patient comes up in the"
        " coach's inbox, from 1 to 365. Two weeks: a call every week or two is what coaching means,"
        " so that one was missed.",
        14,
    )
    second_factor_for: str = _setting(
        "ALMONER_SECOND_FACTOR_FOR",
        "Whose sign-in takes a second factor, whatever the program says: the rights that a role"
        " opens, separated by commas, of administer, integrate, design, supervise and give_care; or"
        " `none`,"
        " where the program alone says so. By default all who can open doors to others or change"
        " the program; the demo does without.",
        "administer,integrate,design",
    )
    passwords: bool = _setting(
        "ALMONER_PASSWORDS",
        "Whether workers sign in with a password: 1 or 0. With 0 the identity provider is the only"
        " way in, so that there has to be one.",
        True,
    )
    oidc_issuer: str = _setting(
        "ALMONER_OIDC_ISSUER",
        "The issuer's address of an OpenID Connect provider that workers may sign in through. Off"
        " when it is not set; see signing-in.md.",
        "",
    )
    oidc_client_id: str = _setting(
        "ALMONER_OIDC_CLIENT_ID", "The client id that the provider knows this server by.", ""
    )
    oidc_client_secret: str = _setting(
        "ALMONER_OIDC_CLIENT_SECRET", "The secret that goes with it.", "", secret=True
    )
    oidc_name: str = _setting(
        "ALMONER_OIDC_NAME",
        "What the sign-in page calls the provider, on its button.",
        "your company's account",
    )
    oidc_acr: str = _setting(
        "ALMONER_OIDC_ACR",
        "The classes of authentication (claim `acr`) of which the provider must vouch for one,"
        " separated by blanks; asked for as `acr_values`. It is a second factor then, and ours is"
        " not asked for. `any` trusts the provider whatever it says.",
        "",
    )
    oidc_amr: str = _setting(
        "ALMONER_OIDC_AMR",
        "The methods of authentication (claim `amr`, RFC 8176) of which the provider must name one,"
        " such as mfa, separated by blanks. It is a second factor then, and ours is not asked for.",
        "",
    )
    access_log: str = _setting(
        "ALMONER_ACCESS_LOG",
        "`problems` logs requests that end in 5xx or take over a second; `all` logs every request."
        " Metrics count them all.",
        "problems",
    )
    log_format: str = _setting(
        "ALMONER_LOG_FORMAT",
        "`json`, a line an event, for collectors; `text` for a terminal.",
        "json",
    )
    metrics_token: str = _setting(
        "ALMONER_METRICS_TOKEN",
        "What a collector of metrics sends to `/metrics` as `Authorization: Bearer ...`, at least"
        " 16 characters. Without it nobody gets them there: the address is as public as every"
        " other.",
        "",
        secret=True,
    )
    otlp_endpoint: str = _setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "Where OpenTelemetry traces go (OTLP over HTTP). Off when it is not set.",
        "",
    )

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """The settings of this environment. Raises SettingError, naming the variable, where one
        cannot be used.
        """
        values: dict[str, Any] = {}
        for item in fields(cls):
            raw = environ.get(item.metadata["env"], "").strip()
            if raw:
                values[item.name] = _parse(item.metadata["env"], raw, type(item.default))
        settings = cls(**{"home": homes.default(environ)} | values)
        settings._check()
        return settings

    @property
    def url(self) -> str:
        """The public URL, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    @property
    def second_factor_rights(self) -> frozenset[str]:
        """The rights whose holders need a second factor."""
        return frozenset(word.strip() for word in self.second_factor_for.split(",")) - {"", "none"}

    @property
    def key_source(self) -> KeySource:
        """Where the keys are that secrets are sealed with."""
        return KeySource(self.secret_key, self.home)

    @property
    def plain_http(self) -> bool:
        """Whether others than this machine would reach the server over http: by its public address,
        or by the one it listens on.
        """
        if self.url.startswith("https://"):
            return False
        return not is_loopback(self.host) or not is_loopback(urlsplit(self.url).hostname or "")

    @property
    def token_url(self) -> str:
        """Where tokens are fetched: the audience of every assertion (clarification 22)."""
        return f"{self.url}/v1/token"

    def _check(self) -> None:
        choices = {"access_log": ("problems", "all"), "log_format": ("json", "text")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise SettingError(
                    f"{_env(name)} must be one of {', '.join(allowed)}, not"
                    f" {getattr(self, name)!r}."
                )
        for name, low, high in _BOUNDS:
            if not low <= getattr(self, name) <= high:
                raise SettingError(
                    f"{_env(name)} must be from {low} to {high}, not {getattr(self, name)}."
                )
        if self.metrics_token and len(self.metrics_token) < 16:
            raise SettingError(
                "ALMONER_METRICS_TOKEN must have at least 16 characters, as of: openssl rand"
                " -hex 16"
            )
        if self.public_url and not self.public_url.startswith(("http://", "https://")):
            raise SettingError("ALMONER_PUBLIC_URL must start with http:// or https://.")
        unknown = self.second_factor_rights - {*get_args(Permission)}
        if unknown:
            known = ", ".join(get_args(Permission))
            raise SettingError(
                f"ALMONER_SECOND_FACTOR_FOR takes {known}, or none; not"
                f" {', '.join(sorted(unknown))}."
            )
        if not self.passwords and not self.oidc_issuer:
            raise SettingError(
                "ALMONER_PASSWORDS=0 needs ALMONER_OIDC_ISSUER: without both nobody could sign in."
            )
        if self.oidc_issuer and not (self.oidc_client_id and self.oidc_client_secret):
            raise SettingError(
                "ALMONER_OIDC_ISSUER needs ALMONER_OIDC_CLIENT_ID and ALMONER_OIDC_CLIENT_SECRET"
                " beside it."
            )


_BOOLEANS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}
_BOUNDS = (
    ("port", 1, 65535),
    ("patients", 0, 10_000_000),
    ("connections", 1, 1000),
    ("body_limit", 1024, 1_073_741_824),
    ("import_rows", 1, 1_000_000),
    ("request_seconds", 1, 3600),
    ("client_limit", 1, 1_000_000),
    ("coalesce_seconds", 0, 60),
    ("delivery_days", 1, 36_500),
    ("task_days", 0, 36_500),
    ("idle_minutes", 1, 720),
    ("inactive_days", 1, 365),
)


def is_loopback(host: str) -> bool:
    """Whether a host, by name or number, is this machine."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _env(name: str) -> str:
    env: str = next(item.metadata["env"] for item in fields(Settings) if item.name == name)
    return env


def _parse(env: str, raw: str, kind: type) -> Any:
    if kind is bool:
        if raw.lower() not in _BOOLEANS:
            raise SettingError(f"{env} must be 1 or 0, not {raw!r}.")
        return _BOOLEANS[raw.lower()]
    if kind not in (int, float):
        return kind(raw) if kind is str else Path(raw)
    try:
        return kind(raw)
    except ValueError:
        number = "a whole number" if kind is int else "a number"
        raise SettingError(f"{env} must be {number}, not {raw!r}.") from None
