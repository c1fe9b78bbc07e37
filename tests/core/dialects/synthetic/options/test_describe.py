"""The description of the grammar has every option and every distribution."""

from __future__ import annotations

import re

from penstock.dialects.synthetic.options.describe import describe
from penstock.dialects.synthetic.options.distributions import KINDS
from penstock.dialects.synthetic.options.grammar import table


def test_every_option_is_described() -> None:
    lines = describe().splitlines()
    for option in table().values():
        [at] = [index for index, line in enumerate(lines) if re.match(rf"  {option.name} +(whole |number|distr)", line)]
        assert lines[at + 1].strip() == option.help
    assert all(len(line) <= 120 for line in lines)


def test_every_distribution_is_described() -> None:
    for name in KINDS.keys() - {"constant"}:
        assert re.search(rf"^  {name}\(\w+(, \w+)*\)$", describe(), re.MULTILINE)
