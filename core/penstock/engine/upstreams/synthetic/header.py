"""The header of the synthetic model. Servers without that model know it too, and do not pass it on."""

from __future__ import annotations

HEADER = "x-penstock-synthetic"
"""The header with options, or with the name of a profile."""
