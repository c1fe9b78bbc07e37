"""The grammar of options: what it reads, and where it reports a mistake."""

from __future__ import annotations

import msgspec
import pytest

from penstock.dialects.synthetic.options import DEFAULTS, Constant, Mistake, SyntheticOptions
from penstock.dialects.synthetic.options.distributions import Lognormal, Uniform
from penstock.dialects.synthetic.options.grammar import TEXT_CHARS_MAX, read_options, table
from requirements import shows

PROFILES = {"slow": "tokens=9&itl_ms=1", "nested": "profile=slow"}


def test_a_text_changes_the_options_that_it_names() -> None:
    base = SyntheticOptions(seed=1, tokens_per_delta=2)
    read = read_options("tokens=256&seed=7&error_rate=0.01&ttft_ms=1e2", base)
    assert read == SyntheticOptions(
        seed=7, tokens=Constant(value=256), tokens_per_delta=2, error_rate=0.01, ttft_ms=Constant(value=100)
    )


def test_a_value_may_be_a_distribution() -> None:
    read = read_options("tokens=uniform(10, 20)&itl_ms=lognormal(20,0.3,max=90)")
    assert read == SyntheticOptions(tokens=Uniform(low=10, high=20), itl_ms=Lognormal(median=20, sigma=0.3, max=90))


def test_a_profile_is_below_the_options_beside_it() -> None:
    expected = SyntheticOptions(tokens=Constant(value=9), itl_ms=Constant(value=2))
    assert read_options("itl_ms=2&profile=slow", DEFAULTS, PROFILES) == expected
    assert read_options("profile=slow&itl_ms=2", SyntheticOptions(tokens=Constant(value=1)), PROFILES) == expected


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("", 0, "'' is not 'name=value'."),
        ("seed=7&", 7, "'' is not 'name=value'."),
        ("seed=7&&tokens=1", 7, "'' is not 'name=value'."),
        ("seed", 0, "'seed' is not 'name=value'."),
        ("=7", 0, "There is no option ''."),
        ("tokens=1&seed=1&tokens=2", 16, "The option 'tokens' is there twice."),
        ("profile=slow&profile=slow", 13, "The option 'profile' is there twice."),
        ("seed=1&token=2", 7, "There is no option 'token'; did you mean 'tokens'?"),
        ("seed=-1", 5, "'seed': '-1' is not a whole number."),
        ("seed=1.5", 5, "'seed': '1.5' is not a whole number."),
        ("seed=\u0661", 5, "'seed': '\u0661' is not a whole number."),
        ("seed= 1", 5, "'seed': ' 1' is not a whole number."),
        ("seed=" + "9" * 19, 5, f"'seed': '{'9' * 19}' is too large."),
        ("seed=" + "9" * 18, 5, f"'seed': '{'9' * 18}' is not from 0 to 9,007,199,254,740,991."),
        ("tokens=", 7, "'tokens': '' is not a number."),
        ("error_rate=nan", 11, "'error_rate': 'nan' is not a number."),
        ("error_rate=Infinity", 11, "'error_rate': 'Infinity' is not a number."),
        ("error_rate=1e999", 11, "'error_rate': '1e999' is too large."),
        ("error_rate=1.01", 11, "'error_rate': '1.01' is not from 0 to 1."),
        ("error=200", 6, "'error': '200' is not from 400 to 599."),
        ("ttft_ms=inf", 8, "'ttft_ms': 'inf' is not a number."),
        ("itl_ms=1e8", 7, "'itl_ms': '1e8' is not from 0 to 3,600,000."),
        ("itl_ms=uniform(5, 1e8)", 7, "'itl_ms': 'uniform(5, 1e8)' is not from 0 to 3,600,000."),
        ("seed=1&ttft_ms=lognormal(120,x)", 29, "'ttft_ms': 'x' is not a number."),
        ("tokens=1e12", 7, "'tokens': '1e12' is not from 0 to 1,000,000,000."),
        ("profile=slwo", 8, "There is no profile 'slwo'; did you mean 'slow'?"),
        ("profile=nested", 8, "A profile cannot have another one."),
        ("seed=1&" + "x" * TEXT_CHARS_MAX, TEXT_CHARS_MAX, "The options have more than 2,000 characters."),
    ],
)
@shows("synthetic-options")
def test_a_mistake_has_its_offset(text: str, offset: int, message: str) -> None:
    with pytest.raises(Mistake) as raised:
        read_options(text, DEFAULTS, PROFILES)
    assert (raised.value.offset, raised.value.message) == (offset, message)


def test_every_field_can_be_read_and_has_its_help() -> None:
    assert list(table()) == list(SyntheticOptions.__struct_fields__)
    for option in table().values():
        lowest = f"{option.name}={option.low:.0f}"
        assert read_options(lowest) == read_options(lowest, read_options(lowest))
        assert option.help.endswith(".")
    assert all(value is None or value == default for value, default in _defaults())


def _defaults() -> list[tuple[object, object]]:
    """The defaults of the options that do something by themselves, and the values that mean nothing."""
    nothing = SyntheticOptions(
        tokens_per_delta=1, ttft_ms=Constant(value=0), itl_ms=Constant(value=0), stall_ms=Constant(value=0)
    )
    return list(zip(msgspec.structs.astuple(DEFAULTS), msgspec.structs.astuple(nothing), strict=True))
