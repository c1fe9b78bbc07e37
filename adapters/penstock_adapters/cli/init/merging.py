"""Merges values into the text of a TOML, JSON or YAML file; comments, order and layout of TOML and YAML stay.

It knows the three formats by the suffix of the file's name. It reads and writes no file.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, MutableMapping, MutableSequence
from pathlib import Path
from typing import Any, TypeAlias

from penstock.settings import SettingsError

Values: TypeAlias = dict[str, Any]

_INDENTED_LIST = re.compile(r"^\S+:[ \t]*\n[ ]+- ", re.MULTILINE)
"""A list whose entries are indented further than its key."""

_NAMES = ("name", "model_name")
"""The keys that identify the entries of a list."""


def merged(text: str, path: Path, values: Values, defaults: Values) -> str:
    """The text with the values, and with those defaults that it does not have.

    Tables are merged key by key; entries of lists by their name.

    Raises `SettingsError` for a text that is not of its format, or has a value of another type in place of a table.
    """
    merge = _FORMATS.get(path.suffix)
    if merge is None:
        raise SettingsError(str(path), f"expected a file that ends in {', '.join(_FORMATS)}")
    try:
        return merge(text, values, defaults)
    # spec: init-merges
    except _Mismatch as error:
        raise SettingsError(str(path), f"`{error}` is not what was expected there; change it by hand") from None
    except ValueError as error:
        raise SettingsError(str(path), f"cannot be merged, it is not valid: {error}") from None


class _Mismatch(Exception):
    """A value of another type is in place of a table or a list. Its text is the key."""


def _merge_toml(text: str, values: Values, defaults: Values) -> str:
    import tomllib

    import tomlkit

    plain = tomllib.loads(text)
    _fill(plain, values, defaults)
    document = tomlkit.parse(text)
    _fill(document, values, defaults)
    written = tomlkit.dumps(document)
    if tomllib.loads(written) != plain:  # the editing library cannot extend this file
        raise ValueError("its tables cannot be extended; add the values by hand")
    return written


def _merge_json(text: str, values: Values, defaults: Values) -> str:
    document = json.loads(text) if text.strip() else {}
    if not isinstance(document, dict):
        raise ValueError("expected an object")
    _fill(document, values, defaults)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _merge_yaml(text: str, values: Values, defaults: Values) -> str:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # long lines stay on one line
    if _INDENTED_LIST.search(text):
        yaml.indent(mapping=2, sequence=4, offset=2)
    try:
        document = yaml.load(text)
    except YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    if document is None:
        document = {}
    if not isinstance(document, MutableMapping):
        raise ValueError("expected a mapping")
    _fill(document, values, defaults)
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


_FORMATS: dict[str, Callable[[str, Values, Values], str]] = {
    ".toml": _merge_toml,
    ".json": _merge_json,
    ".yaml": _merge_yaml,
    ".yml": _merge_yaml,
}


def _fill(document: MutableMapping[str, Any], values: Values, defaults: Values) -> None:
    _merge(document, {key: value for key, value in defaults.items() if key not in document})
    _merge(document, values)


def _merge(into: MutableMapping[str, Any], values: Values, path: str = "") -> None:
    for key, value in values.items():
        where = f"{path}{key}"
        here = into.get(key)
        # spec: init-merges
        if isinstance(value, dict) and here is not None:
            if not isinstance(here, MutableMapping):
                raise _Mismatch(where)
            _merge(here, value, f"{where}.")
        elif isinstance(value, list) and here is not None and all(isinstance(entry, dict) for entry in value):
            if not isinstance(here, MutableSequence):
                raise _Mismatch(where)
            _merge_entries(here, value, where)
        elif here != value:
            into[key] = value


def _merge_entries(into: MutableSequence[Any], entries: list[dict[str, Any]], path: str) -> None:
    """Replace each entry by the one of the same name, or append it."""
    for entry in entries:
        same = [here for here in into if isinstance(here, MutableMapping) and _name(here) == _name(entry)]
        if same:
            _merge(same[0], entry, f"{path}[].")
        else:
            into.append(entry)


def _name(entry: MutableMapping[str, Any]) -> object:
    return next((entry[name] for name in _NAMES if name in entry), None)
