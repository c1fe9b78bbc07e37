"""Settings: flags, environment variables and `penstock.toml`.

`load` decodes all three into one frozen `Settings`, or raises an error of one line. `effective` writes settings as
TOML, with masked secrets. `make_key` makes the entry for a key. Nothing here reads a file or starts anything: adapters
do.
"""

from penstock.dialects.chat_completions import PRESETS

from .checks import check_exposure, check_proxy, is_loopback
from .effective import as_toml, effective, without_credentials
from .keys import make_key
from .loading import load
from .mcp import own_servers
from .seal_keys import SEAL_KEY_BYTES, read_seal_keys, written_seal_key
from .sources import CLIENT_KEY_VARIABLE, ConfigFile
from .structs import (
    EgressSettings,
    KeySettings,
    McpServerSettings,
    Settings,
    SettingsError,
    SyntheticSettings,
    UpstreamSettings,
)

__all__ = [
    "CLIENT_KEY_VARIABLE",
    "PRESETS",
    "SEAL_KEY_BYTES",
    "ConfigFile",
    "EgressSettings",
    "KeySettings",
    "McpServerSettings",
    "Settings",
    "SettingsError",
    "SyntheticSettings",
    "UpstreamSettings",
    "as_toml",
    "check_exposure",
    "check_proxy",
    "effective",
    "is_loopback",
    "load",
    "make_key",
    "own_servers",
    "read_seal_keys",
    "without_credentials",
    "written_seal_key",
]
