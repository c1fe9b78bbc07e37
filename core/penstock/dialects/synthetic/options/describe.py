"""The description of the grammar, for people: every option with its values, its default and what it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .distributions import KINDS, Distribution
from .grammar import PROFILE, Option, table
from .numerals import read_number, read_whole

_KINDS: dict[Callable[[str], float] | None, str] = {
    read_whole: "whole number",
    read_number: "number",
    None: "distribution",
}

_HEAD = f"""\
The options of the synthetic model are a text, name=value&name=value, in one of three
places. An option of the name overrides that of the header, and that the live one.

  name of the model      synthetic?tokens=256&ttft_ms=lognormal(120,0.3)&seed=7
  header of a request    x-penstock-synthetic: tokens=256&seed=7
  live, for all          POST /admin/synthetic with {{"tokens": 256, "seed": 7}}

{PROFILE}=NAME stands for the options of a profile, which [synthetic.profiles] of
penstock.toml has. The header may have the name of a profile alone.
"""
_TAIL = """\
A distribution is a number, or one of these, each with min= and max= after it if wanted:
"""


def describe() -> str:
    """The grammar as a text."""
    options = [line for option in table().values() for line in _option(option)]
    distributions = [f"  {_distribution(name, kind)}" for name, kind in KINDS.items() if name != "constant"]
    return "\n".join([_HEAD, *options, "", _TAIL, *distributions, ""])


def _option(option: Option) -> Iterator[str]:
    bounds = f"{option.low:,} to {option.high:,}"
    default = "" if option.default is None else f", default {option.default}"
    yield f"  {option.name:<18} {_KINDS[option.read]}, {bounds}{default}"
    yield f"  {'':<18} {option.help}"


def _distribution(name: str, kind: type[Distribution]) -> str:
    required = [field for field in kind.__struct_fields__ if field not in ("min", "max")]
    return f"{name}({', '.join(required)})"
