"""The options of the synthetic model: how long its answers are, how fast they come, and which faults they have.

A request has them in the name of its model: `synthetic?tokens=256&seed=7`. `fields` has the options as one struct, and
is the place to add one: a field with its type, its bounds and a line of help is all that the grammar needs.
`distributions` has the values that vary, and `grammar` reads a text. All of it is pure.
"""

from __future__ import annotations

from .distributions import Constant, Distribution, DistributionError, QuantileTable, parse, read_table
from .fields import DEFAULTS, SyntheticOptions
from .mistake import Mistake

__all__ = [
    "DEFAULTS",
    "Constant",
    "Distribution",
    "DistributionError",
    "Mistake",
    "QuantileTable",
    "SyntheticOptions",
    "parse",
    "read_table",
]
