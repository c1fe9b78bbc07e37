"""The options of the synthetic model: what a request may ask of it beside its content."""

from .distributions import Constant, Distribution, DistributionError, QuantileTable, parse, read_table

__all__ = ["Constant", "Distribution", "DistributionError", "QuantileTable", "parse", "read_table"]
