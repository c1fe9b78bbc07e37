"""The page of all settings, written from the structs: name, type, default, variable, flag and meaning.

`docs/configuration.md` is what `page()` gives (`make golden ARGS=tests/documents`), so that no setting is missing
there, and none is there that does not exist.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.inspect import type_info

from penstock.dialects.chat_completions import Options
from penstock.limits import Limits
from penstock.ports import Tls
from penstock.secrets import Secret
from penstock.settings import EgressSettings, KeySettings, Settings, SyntheticSettings, UpstreamSettings
from penstock.settings.sources import _names, _variable
from penstock_adapters.cli import _FLAGS, _SWITCHES

_MIB, _KIB = 2**20, 2**10
_DAY = 86_400
_FLAGGED = {*_FLAGS, *_SWITCHES}

_HEAD = """# Configuration

Every setting, written from the code. Each row of the first two tables is a key of `penstock.toml`, and an environment
variable; some are flags of `penstock serve` too. A flag wins over a variable, and a variable over the file.
`penstock config` prints what is in force, with secrets masked. Lists in variables are separated by commas.

`--config FILE` (or `PENSTOCK_CONFIG`) names the file; without it, `penstock.toml` of the current folder is read where
there is one. `--upstream URL`, `--upstream-key-env NAME` and `--preset NAME` (variables `PENSTOCK_UPSTREAM`,
`PENSTOCK_UPSTREAM_KEY_ENV`, `PENSTOCK_PRESET`) are the short form of one table `[[upstreams]]`.
"""


class _Table(msgspec.Struct, frozen=True):
    """One struct as a section: its heading, what stands above the table, and how its names are prefixed."""

    heading: str
    above: str
    struct: type[msgspec.Struct]
    prefix: str = ""
    has_variables: bool = False


_TABLES = (
    _Table("Settings", "", Settings, has_variables=True),
    _Table(
        "Limits",
        "The table `[limits]`. Sizes are bytes, times are seconds.",
        Limits,
        prefix="limits.",
        has_variables=True,
    ),
    _Table(
        "Egress",
        "The table `[egress]`: what tools may call for a client or a model, besides public addresses.",
        EgressSettings,
        prefix="egress.",
        has_variables=True,
    ),
    _Table("Upstreams", "The tables `[[upstreams]]`, one for each place where models are.", UpstreamSettings),
    _Table("TLS of an upstream", "The table `[upstreams.tls]`. Files are PEM.", Tls, prefix="tls."),
    _Table(
        "Options of an upstream",
        "The table `[upstreams.options]`: how its Chat Completions differ. A preset sets some; what is set here wins.",
        Options,
        prefix="options.",
    ),
    _Table(
        "The synthetic model",
        "The table `[synthetic]`; [synthetic.md](synthetic.md) has the options.",
        SyntheticSettings,
        prefix="synthetic.",
    ),
    _Table("API keys", "The tables `[[keys]]`, which `penstock keys new` prints.", KeySettings),
)


def page() -> str:
    """The whole page, as Markdown."""
    return "\n".join([_HEAD, *("\n".join(_section(table)) for table in _TABLES)])


def _section(table: _Table) -> Iterator[str]:
    yield f"## {table.heading}\n"
    if table.above:
        yield f"{table.above}\n"
    columns = ["key", "type", "default", *(["variable", "flag"] if table.has_variables else []), "meaning"]
    yield f"| {' | '.join(columns)} |"
    yield f"|{' --- |' * len(columns)}"
    meanings = field_docs(table.struct)
    settable = set(_names())
    for field in msgspec.structs.fields(table.struct):
        name = table.prefix + field.name
        variable = f"`{_variable(name)}`" if name in settable else ""
        flag = f"`--{name.replace('_', '-')}`" if name in _FLAGGED else ""
        cells = [f"`{name}`", _type(field.type), _default(field)]
        cells += [variable, flag] if table.has_variables else []
        yield f"| {' | '.join([*cells, meanings[field.name]])} |"
    yield ""


def field_docs(struct: type[msgspec.Struct]) -> dict[str, str]:
    """The text below each field of a struct, in one line."""
    [body] = [node.body for node in ast.parse(textwrap.dedent(inspect.getsource(struct))).body if hasattr(node, "body")]
    docs: dict[str, str] = {}
    for field, below in zip(body, [*body[1:], None], strict=True):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            docs[field.target.id] = _text_of(below)
    return docs


def _text_of(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return " ".join(node.value.value.split())
    return ""


def _type(annotation: Any) -> str:
    """What a value may be, in TOML's words."""
    return _KINDS.get(type(info := type_info(annotation)), lambda _: "table")(info)


def _union(info: msgspec.inspect.UnionType) -> str:
    kinds = [each for each in info.types if not isinstance(each, msgspec.inspect.NoneType)]
    return " or ".join(dict.fromkeys(_KINDS.get(type(each), lambda _: "table")(each) for each in kinds))


def _literal(info: msgspec.inspect.LiteralType) -> str:
    return ", ".join(f"`{value}`" for value in info.values)


def _number(kind: str) -> Any:
    def describe(info: Any) -> str:
        low = f"from {info.ge}" if info.ge is not None else f"over {info.gt}" if info.gt is not None else ""
        high = f"to {info.le}" if info.le is not None else ""
        return " ".join(filter(None, [kind, low, high]))

    return describe


def _custom(info: msgspec.inspect.CustomType) -> str:
    assert info.cls is Secret
    return "string (secret)"


_KINDS: dict[type[Any], Any] = {
    msgspec.inspect.BoolType: lambda _: "boolean",
    msgspec.inspect.IntType: _number("integer"),
    msgspec.inspect.FloatType: _number("number"),
    msgspec.inspect.StrType: lambda _: "string",
    msgspec.inspect.DateTimeType: lambda _: "date or date-time",
    msgspec.inspect.LiteralType: _literal,
    msgspec.inspect.ListType: lambda info: f"array of {_plural(info.item_type)}",
    msgspec.inspect.DictType: lambda info: f"table of {_plural(info.value_type)}",
    msgspec.inspect.UnionType: _union,
    msgspec.inspect.CustomType: _custom,
}


def _plural(info: Any) -> str:
    if isinstance(info, msgspec.inspect.LiteralType):
        return _literal(info)
    word = _KINDS.get(type(info), lambda _: "table")(info)
    return {"string (secret)": "strings (secret)"}.get(word, f"{word.partition(' ')[0]}s")


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if value is None or value in ([], {}) or isinstance(value, msgspec.Struct):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"`{value:_}`{_readable(field.name, value)}" if value == int(value) else f"`{value}`"
    return f"`{msgspec.json.encode(value).decode()}`"


def _readable(name: str, value: float) -> str:
    """A large number in a larger unit."""
    if name.endswith("_s") and value >= _DAY and value % _DAY == 0:
        return f" ({value / _DAY:g} days)"
    if "bytes" in name and value % _MIB == 0:
        return f" ({value / _MIB:g} MiB)"
    if "bytes" in name and value % _KIB == 0:
        return f" ({value / _KIB:g} KiB)"
    return ""
