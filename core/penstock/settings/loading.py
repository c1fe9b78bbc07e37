"""Loading the settings: collect, decode, read keys from variables, and check.

It knows the order of these steps. It is pure: the caller passes the environment and the file's text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from penstock.dialects.chat_completions import PRESETS, Preset
from penstock.limits import Limits
from penstock.patterns import lazy_pattern
from penstock.secrets import Secret

from .checks import (
    check_certificate,
    check_egress,
    check_exposure,
    check_header_names,
    check_host_names,
    check_origins,
    check_proxy,
    check_search,
    check_state,
    check_synthetic,
    check_tls,
    check_workers,
    checked_root_path,
    checked_url,
)
from .decode import decode_table, decode_value, secret
from .keys import check_once, read_keys
from .lines import line_of
from .mcp import check_mcp
from .seal_keys import read_seal_keys
from .sources import ConfigFile, Given, Table, collect
from .structs import EgressSettings, Settings, SettingsError, UpstreamSettings

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

_SHORT_FORM = {"upstream_key_env": "key_env", "preset": "preset"}
_VARIABLE = lazy_pattern(r"[A-Z_][A-Z0-9_]*")
"""A name of a variable. A text of another form may be the key itself, so no error contains it."""


def load(flags: Mapping[str, str], env: Mapping[str, str], file: ConfigFile | None = None) -> Settings:
    """The settings. Flags override `PENSTOCK_…` variables, and these override the file. Raises `SettingsError`."""
    try:
        return _load(flags, env, file)
    except SettingsError as mistake:
        raise _with_line(mistake, file) from None


def _with_line(mistake: SettingsError, file: ConfigFile | None) -> SettingsError:
    """The mistake with its line number, if it is in the file."""
    name, found, path = mistake.where.partition(": ")
    line = line_of(file.text, path) if file and found and name == file.name else None
    # spec: mistaken-settings
    return mistake if line is None else SettingsError(mistake.where, f"{mistake.problem} (line {line})")


def _load(flags: Mapping[str, str], env: Mapping[str, str], file: ConfigFile | None) -> Settings:
    table = collect(flags, env, file)
    upstreams = _upstreams(table, env)
    keys = read_keys(table.pop("keys", None))
    flat = _flat_tables(table)
    settings = decode_table(Settings, table, "settings")
    settings = msgspec.structs.replace(settings, upstreams=upstreams, keys=keys, **flat)
    if settings.root_path:
        root_path = checked_root_path(settings.root_path, table["root_path"].where)
        settings = msgspec.structs.replace(settings, root_path=root_path)
    if settings.api_keys:
        check_once(keys, settings.api_keys, table["api_keys"].where)
    if settings.seal_keys:
        read_seal_keys(settings.seal_keys, table["seal_keys"].where)
    if settings.allowed_hosts:
        check_host_names(settings.allowed_hosts, table["allowed_hosts"].where)
    if settings.allowed_origins:
        check_origins(settings.allowed_origins, table["allowed_origins"].where)
    if "synthetic" in table:
        check_synthetic(settings.synthetic, table["synthetic"].where)
    if settings.search:
        check_search(settings.search, settings.search_key, table["search"].where)
    check_mcp(settings, {name: table[name].where for name in table if name.startswith("mcp_")})
    check_certificate(settings, table["tls_key"].where if "tls_key" in table else "tls_key")
    check_exposure(settings, table["host"].where if "host" in table else "host")
    check_workers(settings, table["store"].where if "store" in table else "store")
    check_state(settings, table["upstreams"].where if "upstreams" in table else "upstreams")
    return settings


def _flat_tables(table: Table) -> dict[str, msgspec.Struct]:
    """Remove the flat tables and decode them."""
    where = table["egress.allow"].where if "egress.allow" in table else "egress.allow"
    egress = _take_flat("egress", EgressSettings, table)
    check_egress(egress.allow, where)
    return {"egress": egress, "limits": _take_flat("limits", Limits, table)}


def _take_flat(prefix: str, struct: type[_Struct], table: Table) -> _Struct:
    """Remove the keys of a flat table and decode them."""
    names = [name for name in table if name.startswith(f"{prefix}.")]
    return decode_table(struct, {name.removeprefix(f"{prefix}."): table.pop(name) for name in names}, prefix)


def _upstreams(table: Table, env: Mapping[str, str]) -> list[UpstreamSettings]:
    """Remove the upstreams from the table and decode them: the upstream of the short form, or those of the file."""
    listed = table.pop("upstreams", None)
    short = _short_form(table)
    if short:
        return [_upstream(short, short["url"].where, env)]
    upstreams: dict[str, UpstreamSettings] = {}
    for given in listed.entries() if listed else []:
        upstream = _upstream(given.table(), given.where, env)
        if upstream.name in upstreams:
            raise SettingsError(f"{given.where}.name", f"there is another upstream of the name {upstream.name!r}")
        upstreams[upstream.name] = upstream
    return list(upstreams.values())


def _short_form(table: Table) -> Table | None:
    url = table.pop("upstream", None)
    more = {name: table.pop(short) for short, name in _SHORT_FORM.items() if short in table}
    if url is None:
        for name, given in more.items():
            what = name.removesuffix("_env")
            raise SettingsError(given.where, f"the upstream of this {what} is missing: give its URL by --upstream")
        return None
    return {"name": Given("default", url.where), "url": url} | more


def _upstream(table: Table, where: str, env: Mapping[str, str]) -> UpstreamSettings:
    table = _with_preset(table, where)
    upstream = decode_table(UpstreamSettings, table, where)
    check_header_names(upstream.headers, f"{where}.headers")
    check_tls(upstream.tls, upstream.url, f"{where}.tls")
    if upstream.proxy:
        check_proxy(upstream.proxy, upstream.url, table["proxy"].where)
    if upstream.weight != 1 and upstream.priority is None:
        raise SettingsError(table["weight"].where, "upstreams share by weight within one `priority`: give that too")
    return msgspec.structs.replace(
        upstream,
        url=checked_url(upstream.url, table["url"].where),
        key=_key(upstream, table["key_env"].where, env) if upstream.key_env else upstream.key,
    )


def _with_preset(table: Table, where: str) -> Table:
    """The table with the preset's options, which the options of the table override."""
    given = table.get("preset")
    if given is None:
        return table
    preset = PRESETS[decode_value(Preset, given)]
    own = table["options"].table() if "options" in table else {}
    options = msgspec.structs.asdict(preset) | {name: option.value for name, option in own.items()}
    rest = {name: value for name, value in table.items() if name != "preset"}
    return rest | {"options": Given(options, f"{where}.options")}


def _key(upstream: UpstreamSettings, where: str, env: Mapping[str, str]) -> Secret:
    """The key in a variable, without a line break at its end."""
    if upstream.key:
        raise SettingsError(where, "give either this or `key`")
    name = upstream.key_env or ""
    which = name if _VARIABLE.fullmatch(name) else "that it names"
    if name not in env:
        raise SettingsError(where, f"the variable {which} is not set (give the name of a variable, not the key)")
    try:
        return secret(env[name].strip())
    except ValueError as error:
        raise SettingsError(where, f"the variable {which} contains no key: {error}") from None
