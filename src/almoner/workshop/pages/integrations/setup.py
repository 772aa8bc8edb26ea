"""The settings of an integration as a form, made from the type that declares them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, get_args, get_origin, get_type_hints

import msgspec

from almoner.integrations.declare import Integration
from almoner.notifications.subscription_terms import Short
from almoner.pages.forms.inputs import Input
from almoner.vocabulary.fields import MISSING, Field
from almoner.vocabulary.kinds import Boolean, Kind, Text
from almoner.vocabulary.numbers import Integer, Number

# What the form calls a setting: one may be named as a field beside them.
PREFIX: Final = "setting_"
_LONGEST: Final = 2000
_KEEP: Final = "Leave it empty to keep the one we have."
_SEALED: Final = "It is kept encrypted, and not shown again."
_JSON: Final = "As JSON."


def inputs(integration: Integration, sealed: Collection[str]) -> tuple[Input, ...]:
    """The controls of all settings but those of the machine; ``sealed`` are the secrets that there
    are.
    """
    return tuple(
        _input(integration, setting, hint, sealed)
        for setting, hint in _hints(integration)
        if setting.name not in integration.of_host
    )


def texts(integration: Integration, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the form begins with, of the values that are set; a secret is never among them."""
    by_control: dict[str, Any] = {}
    for setting, _ in _hints(integration):
        value = values.get(setting.name, _default(setting))
        if value is not None and setting.name not in integration.secrets:
            by_control[PREFIX + setting.name] = _text(value)
    return by_control


def _text(value: Any) -> Any:
    """A mapping or a list as it is typed, nothing where there is none in it; any other as it is."""
    if not isinstance(value, dict | list | tuple):
        return value
    return msgspec.json.format(msgspec.json.encode(value)).decode() if value else None


def settings(integration: Integration, sent: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be set of what was sent: blank is the default, and of a secret that it stays."""
    values: dict[str, Any] = {}
    for setting, _ in _hints(integration):
        value = sent.get(PREFIX + setting.name)
        if setting.name in integration.of_host:
            continue
        if value is not None:
            values[setting.name] = value
        elif setting.name not in integration.secrets:
            values[setting.name] = _default(setting)
    return values


_CAPITALS: Final = {name.lower(): name for name in ("URL", "API")}


def title(setting: str) -> str:
    """What people call a setting."""
    return " ".join(_CAPITALS.get(word, word) for word in setting.capitalize().split("_"))


def _hints(integration: Integration) -> list[tuple[msgspec.structs.FieldInfo, Any]]:
    hints = get_type_hints(integration.settings, include_extras=True)
    return [(field, hints[field.name]) for field in msgspec.structs.fields(integration.settings)]


def _input(
    integration: Integration,
    setting: msgspec.structs.FieldInfo,
    hint: Any,
    sealed: Collection[str],
) -> Input:
    name, is_secret = setting.name, setting.name in integration.secrets
    kind, widget = _kind(get_args(hint)[0] if hasattr(hint, "__metadata__") else hint)
    about = [_described(hint)]
    if is_secret:
        widget = "password"
        about.append(_KEEP if name in sealed else _SEALED)
    elif widget == "textarea":
        about.append(_JSON)
    field = Field(
        PREFIX + name,
        kind,
        label=title(name),
        help=" ".join(filter(None, about)),
        required=setting.required and name not in sealed,
        default=False if isinstance(kind, Boolean) else MISSING,
    )
    return Input(field=field, widget=widget)


def _kind(of: Any) -> tuple[Kind, str]:
    """The kind of a setting's type, and another widget than that of the kind."""
    if get_origin(of) in (dict, list, tuple):
        return Text(), "textarea"
    kinds: dict[Any, Kind] = {bool: Boolean(), int: Integer(), float: Number()}
    return kinds.get(of, Short(_LONGEST)), ""


def _described(hint: Any) -> str:
    """What its declaration says of a setting (``msgspec.Meta``); blank where it says nothing."""
    metas = getattr(hint, "__metadata__", ())
    return next((meta.description for meta in metas if getattr(meta, "description", "")), "")


def _default(setting: msgspec.structs.FieldInfo) -> Any:
    """What holds where nothing is set; None where something must be."""
    if setting.default_factory is not msgspec.NODEFAULT:
        return setting.default_factory()
    return None if setting.required else setting.default
