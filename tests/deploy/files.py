"""The files of deploy/ as data, and the settings that they name.

Knows YAML, and how variables are written. What a file is for, its own test knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from ruamel.yaml import YAML

from penstock.settings import Settings, load
from penstock.settings.sources import CLIENT_KEY_VARIABLE, _names, _variable
from support.server import ROOT

Json: TypeAlias = dict[str, Any]

DEPLOY = ROOT / "deploy"
VARIABLES = {*map(_variable, _names()), CLIENT_KEY_VARIABLE}
"""Every variable that a server or a client of ours reads."""
_NAMED = re.compile(r"\bPENSTOCK_[A-Z0-9_]+\b")


def documents(text: str) -> list[Any]:
    """The documents of a YAML file."""
    return [each for each in YAML(typ="safe").load_all(text) if each is not None]


def yaml_file(path: Path) -> Json:
    """The only document of a YAML file."""
    [document] = documents(path.read_text(encoding="utf-8"))
    return dict(document)


def named_variables(text: str) -> set[str]:
    """The variables that begin as ours do."""
    return set(_NAMED.findall(text))


def settings_of(variables: Mapping[str, str]) -> Settings:
    """The settings of a server with these variables: a mistake among them is an error."""
    return load({}, {name: value for name, value in variables.items() if name.startswith("PENSTOCK_")})


def seconds(text: str) -> float:
    """A duration of Compose or systemd, such as `30s` or `2min`."""
    number, unit = re.fullmatch(r"(\d+) ?(s|min|m)?", text.strip()).groups(default="s")  # type: ignore[union-attr]
    return int(number) * (1 if unit == "s" else 60)
