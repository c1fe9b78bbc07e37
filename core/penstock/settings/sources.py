"""The three sources, flags, environment and file, as one mapping of settings that remember where they came from.

It knows the names of flags, variables and keys, and their precedence; it decodes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from penstock.limits import Limits

from .structs import Settings, SettingsError

_PREFIX = "PENSTOCK_"
_SHORT = ("upstream", "upstream_key_env", "preset")
"""The short form of one upstream; not fields of `Settings`."""
_FOR_THE_DOOR = "config"
"""The variable that names the file: who reads the file, reads it."""
CLIENT_KEY_VARIABLE = "PENSTOCK_KEY"
"""The variable from which clients that `penstock init` has set up read their API key. It is no setting."""
_KUBERNETES = re.compile(r".+_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_.+)?)")
"""What Kubernetes sets in every pod beside a service that is called penstock; `PENSTOCK_PORT` is one of them."""


class ConfigFile(msgspec.Struct, frozen=True):
    """A file that was read: its name, for messages, and its text."""

    name: str
    text: str


class Given(msgspec.Struct, frozen=True):
    """A value, and where it was given. From a flag or a variable it is text, whatever it is to become."""

    value: Any
    where: str
    is_text: bool = False

    def table(self) -> Table:
        """The entries of a TOML table."""
        if not isinstance(self.value, dict):
            raise SettingsError(self.where, "expected a table")
        return {key: Given(value, f"{self.where}.{key}") for key, value in self.value.items()}

    def entries(self) -> list[Given]:
        """The entries of a TOML array."""
        if not isinstance(self.value, list):
            name = self.where.rpartition(": ")[2]
            hint = f"; did you mean [[{name}]]?" if isinstance(self.value, dict) else ""
            raise SettingsError(self.where, f"expected an array of tables{hint}")
        return [Given(value, f"{self.where}[{index}]") for index, value in enumerate(self.value)]


Table: TypeAlias = dict[str, Given]
"""Settings by name; a limit is called `limits.idle_s`."""


def collect(flags: Mapping[str, str], env: Mapping[str, str], file: ConfigFile | None) -> Table:
    """Everything that was given: a flag wins over a variable, and a variable over the file."""
    below = _from_file(file) if file else {}
    above = dict(_from_env(env, _key_variables(flags, env, below))) | _from_flags(flags)
    if "upstream" in above:
        below.pop("upstreams", None)
    return below | above


def _from_flags(flags: Mapping[str, str]) -> Table:
    return {name: Given(value, "--" + name.replace("_", "-"), is_text=True) for name, value in flags.items()}


def _from_env(env: Mapping[str, str], exempt: Iterable[str]) -> Iterator[tuple[str, Given]]:
    """An empty variable is one that is not set: compose files cannot leave one out."""
    names = {_variable(name): name for name in _names()}
    for variable, value in env.items():
        if not variable.startswith(_PREFIX) or not value or variable in exempt or _is_kubernetes(variable, value):
            continue
        if variable == CLIENT_KEY_VARIABLE:
            continue
        if variable not in names:
            raise SettingsError(variable, f"there is no such setting{suggestion(variable, names)}")
        if names[variable] != _FOR_THE_DOOR:
            yield names[variable], Given(value, variable, is_text=True)


def _from_file(file: ConfigFile) -> Table:
    import tomllib

    try:
        content = tomllib.loads(file.text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(file.name, f"not TOML: {error}") from None
    table = {key: Given(value, f"{file.name}: {key}") for key, value in content.items()}
    if isinstance(content.get("upstream"), list | dict):
        raise SettingsError(table["upstream"].where, "this is one URL; did you mean [[upstreams]]?")
    if "upstream" in table and "upstreams" in table:
        raise SettingsError(table["upstream"].where, "give either this or `upstreams`")
    limits = table.pop("limits").table() if "limits" in table else {}
    return table | {f"limits.{key}": given for key, given in limits.items()}


def _names() -> Iterator[str]:
    """What a variable can set."""
    yield from (name for name in Settings.__struct_fields__ if name not in ("upstreams", "keys", "limits"))
    yield from (f"limits.{name}" for name in Limits.__struct_fields__)
    yield from (*_SHORT, _FOR_THE_DOOR)


def _variable(name: str) -> str:
    return _PREFIX + name.upper().replace(".", "_")


def _key_variables(flags: Mapping[str, str], env: Mapping[str, str], file: Table) -> set[str]:
    """The variables that hold keys. They are called as their owner likes, PENSTOCK_ or not."""
    listed = file["upstreams"].value if "upstreams" in file else []
    tables = [table for table in listed if isinstance(table, dict)] if isinstance(listed, list) else []
    short = file["upstream_key_env"].value if "upstream_key_env" in file else None
    named = [flags.get("upstream_key_env"), env.get(_variable("upstream_key_env")), short]
    return {name for name in [*named, *(table.get("key_env") for table in tables)] if isinstance(name, str)}


def _is_kubernetes(variable: str, value: str) -> bool:
    return bool(_KUBERNETES.fullmatch(variable) or re.match(r"(tcp|udp|sctp)://", value))


def suggestion(name: str, names: Iterable[str]) -> str:
    """The name that was probably meant, as the end of a message."""
    from difflib import get_close_matches

    close = get_close_matches(name, list(names), n=1)
    return f"; did you mean {close[0]}?" if close else ""
