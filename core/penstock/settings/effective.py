"""The effective settings as TOML, for people, and for `load`.

It knows how TOML is written. Secrets are masked, and `load` refuses a mask as a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from penstock.patterns import lazy_pattern
from penstock.secrets import REDACTED

from .structs import Settings

_USERINFO = lazy_pattern(r"//.*@")
"""The user and password in a URL, with any characters."""
_PASSWORD = lazy_pattern(r"([?&][a-z]*password=)[^&]*", re.IGNORECASE)
"""A password in the query of a URL."""
_BARE_KEY = lazy_pattern(r"[A-Za-z0-9_-]+")


def effective(settings: Settings) -> str:
    """Every setting with its value, in the format of `penstock.toml`."""
    content = _builtins(settings)
    if content["store"]:
        content["store"] = without_credentials(content["store"], f"{REDACTED}@")
    for upstream in content["upstreams"]:
        if upstream["key_env"]:
            del upstream["key"]
    return as_toml(content)


def as_toml(content: Mapping[str, Any]) -> str:
    """The mapping as TOML, with masked secrets."""
    return "\n".join(_table("", _builtins(content))).strip() + "\n"


def without_credentials(url: str, replacement: str = "") -> str:
    """A store's URL without credentials. The URL of a file has none, and may have any characters."""
    if url.startswith("sqlite:"):
        return url
    return _USERINFO.sub(f"//{replacement}", _PASSWORD.sub(rf"\g<1>{REDACTED}", url))


def _builtins(content: object) -> Any:
    return msgspec.to_builtins(content, builtin_types=(datetime,), enc_hook=lambda secret: REDACTED)


def _table(path: str, content: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a table: first its values, then its nested tables."""
    present = {key: value for key, value in content.items() if value is not None and value != {}}
    nested = {key: value for key, value in present.items() if _is_nested(value)}
    for key, value in present.items():
        if key not in nested:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in nested.items():
        inner = f"{path}.{_key(key)}".lstrip(".")
        for entry in value if isinstance(value, list) else [value]:
            yield f"\n[[{inner}]]" if isinstance(value, list) else f"\n[{inner}]"
            yield from _table(inner, entry)


def _is_nested(value: object) -> bool:
    """Whether it is a table or an array of tables. All other arrays contain texts."""
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(entry, dict) for entry in value))


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _value(key)


def _value(value: object) -> str:
    """A value on one line. JSON and TOML differ only in times and in the control character U+007F."""
    if isinstance(value, datetime):
        return value.isoformat()
    return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
