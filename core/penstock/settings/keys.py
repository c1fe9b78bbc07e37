"""Named API keys: reading the entries of `[[keys]]`, and making one.

It knows the format of hashes and times. `penstock.access` checks keys.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from penstock.access import key_digest
from penstock.patterns import lazy_pattern
from penstock.secrets import Secret

from .decode import decode_table
from .sources import Given
from .structs import KeySettings, SettingsError

_HASH = lazy_pattern("sha256:[0-9a-f]{64}")
_NAME_CHARS_MAX = 100


def read_keys(listed: Given | None) -> list[KeySettings]:
    """The keys of the file. Several keys may have one name, while a new key replaces an old one."""
    keys: list[KeySettings] = []
    for given in listed.entries() if listed else []:
        key = _key(given)
        if key.hash in {other.hash for other in keys}:
            raise SettingsError(f"{given.where}.hash", "there is another entry for the same key")
        keys.append(key)
    return keys


def check_once(keys: list[KeySettings], plain: list[Secret], where: str) -> None:
    """Check that no key is in both `keys` and `api_keys`: it would have two owners."""
    named = {key.hash: key.name for key in keys}
    for key in plain:
        if name := named.get(_hash(key.reveal())):
            raise SettingsError(where, f"the key {name!r} of `keys` is here too: remove it from one of them")


def make_key(name: str, key: str, where: str) -> KeySettings:
    """The entry for a key, which contains its hash only. Raises `SettingsError`."""
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
    if not _HASH.fullmatch(key.hash):  # the error does not contain it: it may be the key itself
        raise SettingsError(f"{given.where}.hash", "expected sha256: and 64 digits, as `penstock keys new` prints them")
    return key


def _check_name(name: str, where: str) -> None:
    if not name.strip() or not name.isprintable() or len(name) > _NAME_CHARS_MAX:
        raise SettingsError(where, f"the name of a key has 1 to {_NAME_CHARS_MAX} printable characters")


def _moment(given: Given) -> datetime:
    """A TOML date or date-time as a date-time with a time zone, which is UTC by default."""
    value = given.value
    if not isinstance(value, date):
        raise SettingsError(given.where, "expected a date or date-time without quotes, such as 2030-01-31")
    value_with_time = value if isinstance(value, datetime) else datetime.combine(value, time())
    return value_with_time if value_with_time.tzinfo else value_with_time.replace(tzinfo=UTC)
