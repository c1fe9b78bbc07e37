"""API keys by name: reading the entries of `[[keys]]`, and making one.

It knows hashes and times as they are written; who is let in, `access` decides.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time

from penstock.access import key_digest
from penstock.secrets import Secret

from .decode import decode_table
from .sources import Given
from .structs import KeySettings, SettingsError

_HASH = re.compile("sha256:[0-9a-f]{64}")
_NAME_CHARS_MAX = 100


def read_keys(listed: Given | None) -> list[KeySettings]:
    """The keys of the file. A name may come again, for the time in which one key takes the other's place."""
    keys: list[KeySettings] = []
    for given in listed.entries() if listed else []:
        key = _key(given)
        if key.hash in {other.hash for other in keys}:
            raise SettingsError(f"{given.where}.hash", "there is another entry for this very key")
        keys.append(key)
    return keys


def check_once(keys: list[KeySettings], plain: list[Secret], where: str) -> None:
    """A key that stood in both places would have two owners."""
    named = {key.hash: key.name for key in keys}
    for key in plain:
        if name := named.get(_hash(key.reveal())):
            raise SettingsError(where, f"the key {name!r} of `keys` is here too: take it out of one of them")


def make_key(name: str, key: str, where: str) -> KeySettings:
    """The entry for a key, which is not in it. Raises `SettingsError`."""
    _check_name(name, where)
    return KeySettings(name=name, hash=_hash(key))


def _hash(key: str) -> str:
    return f"sha256:{key_digest(key).hex()}"


def _key(given: Given) -> KeySettings:
    table = given.table()
    if expires := table.get("expires"):
        table["expires"] = Given(_moment(expires), expires.where)
    key = decode_table(KeySettings, table, given.where)
    _check_name(key.name, f"{given.where}.name")
    if not _HASH.fullmatch(key.hash):  # it is not shown: somebody may have put the key there
        raise SettingsError(f"{given.where}.hash", "expected sha256: and 64 digits, as `penstock keys new` tells them")
    return key


def _check_name(name: str, where: str) -> None:
    if not name.strip() or not name.isprintable() or len(name) > _NAME_CHARS_MAX:
        raise SettingsError(where, f"the name of a key has 1 to {_NAME_CHARS_MAX} printable characters")


def _moment(given: Given) -> datetime:
    """A TOML date or date-time as a moment."""
    value = given.value
    if not isinstance(value, date):
        raise SettingsError(given.where, "expected a date or date-time without quotes, such as 2030-01-31")
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
