"""The three sources, flags, environment and file, as one mapping of settings with their sources.

It knows the names of flags, variables and keys, and their precedence. It decodes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from penstock.errors import suggestion
from penstock.limits import Limits
from penstock.patterns import lazy_pattern

from .structs import EgressSettings, Settings, SettingsError

_PREFIX = "PENSTOCK_"
_PORT = "PORT"
"""The variable in which hosts of containers pass the port to listen on. `PENSTOCK_PORT` overrides it."""
_SHORT = ("upstream", "upstream_key_env", "preset")
"""The settings of the short form of one upstream, which are not fields of `Settings`."""
_CONFIG_FILE = "config"
"""The setting that names the file. The adapter that reads the file reads it."""
_TABLES = ("upstreams", "keys", "synthetic", "mcp_servers", "mcp_connectors", "mcp_tunnels")
"""The settings that are tables of the file only."""
_FLAT_TABLES: dict[str, type[msgspec.Struct]] = {"egress": EgressSettings, "limits": Limits}
"""The tables whose keys are variables too."""
CLIENT_KEY_VARIABLE = "PENSTOCK_KEY"
"""The variable with the API key of clients that `penstock init` configured. It is no setting."""
_KUBERNETES = lazy_pattern(r".+_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT_\d+_(TCP|UDP|SCTP)(_.+)?)")
"""Variables that Kubernetes sets in pods for a service with the name penstock, such as `PENSTOCK_PORT`."""


class ConfigFile(msgspec.Struct, frozen=True):
    """The configuration file: its name, for messages, and its text."""

    name: str
    text: str


class Given(msgspec.Struct, frozen=True):
    """A value and its source. The value of a flag or a variable is always text."""

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
"""Settings by name. The name of a key of a flat table is such as `limits.idle_s`."""


def collect(flags: Mapping[str, str], env: Mapping[str, str], file: ConfigFile | None) -> Table:
    """All settings. A flag overrides a variable, and a variable overrides the file."""
    below = _from_file(file) if file else {}
    above = dict(_from_env(env, _key_variables(flags, env, below))) | _from_flags(flags)
    if "upstream" in above:
        below.pop("upstreams", None)
    return below | above


def _from_flags(flags: Mapping[str, str]) -> Table:
    return {name: Given(value, "--" + name.replace("_", "-"), is_text=True) for name, value in flags.items()}


def _from_env(env: Mapping[str, str], exempt: Iterable[str]) -> Iterator[tuple[str, Given]]:
    """The settings of variables. An empty variable counts as not set: compose files cannot leave one out."""
    names = {_variable(name): name for name in _names()}
    # spec: port-variable
    if env.get(_PORT) and not env.get(_variable("port")):
        yield "port", Given(env[_PORT], _PORT, is_text=True)
    for variable, value in env.items():
        if not variable.startswith(_PREFIX) or not value or variable in exempt or _is_kubernetes(variable, value):
            continue
        if variable == CLIENT_KEY_VARIABLE:
            continue
        if variable not in names:
            raise SettingsError(variable, f"there is no such setting{suggestion(variable, names)}")
        if names[variable] != _CONFIG_FILE:
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
    for name in _FLAT_TABLES.keys() & table.keys():
        table |= {f"{name}.{key}": given for key, given in table.pop(name).table().items()}
    return table


def _names() -> Iterator[str]:
    """The names of settings that a variable can set."""
    yield from (name for name in Settings.__struct_fields__ if name not in {*_TABLES, *_FLAT_TABLES})
    yield from (f"{table}.{name}" for table, struct in _FLAT_TABLES.items() for name in struct.__struct_fields__)
    yield from (*_SHORT, _CONFIG_FILE)


def _variable(name: str) -> str:
    return _PREFIX + name.upper().replace(".", "_")


def _key_variables(flags: Mapping[str, str], env: Mapping[str, str], file: Table) -> set[str]:
    """The names of variables with keys of upstreams. They may begin with PENSTOCK_ too."""
    listed = file["upstreams"].value if "upstreams" in file else []
    tables = [table for table in listed if isinstance(table, dict)] if isinstance(listed, list) else []
    short = file["upstream_key_env"].value if "upstream_key_env" in file else None
    named = [flags.get("upstream_key_env"), env.get(_variable("upstream_key_env")), short]
    return {name for name in [*named, *(table.get("key_env") for table in tables)] if isinstance(name, str)}


def _is_kubernetes(variable: str, value: str) -> bool:
    return bool(_KUBERNETES.fullmatch(variable) or re.match(r"(tcp|udp|sctp)://", value))
