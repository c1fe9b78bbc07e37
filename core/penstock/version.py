"""The version of Penstock, as the installed package has it: the only place where it is written is `pyproject.toml`.

It knows where to ask, and does so no sooner than it is asked.
"""

from __future__ import annotations


def version() -> str:
    """The version; where Penstock runs without being installed, one that says so."""
    from importlib import metadata

    try:
        return metadata.version("penstock")
    except metadata.PackageNotFoundError:
        return "0+not.installed"
