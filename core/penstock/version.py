"""The version of Penstock, from the metadata of the installed package. `pyproject.toml` defines it.

The metadata is read when the version is used, and not at import.
"""

from __future__ import annotations


def version() -> str:
    """The version. Where Penstock is not installed, it is `0+not.installed`."""
    from importlib import metadata

    try:
        return metadata.version("penstock")
    except metadata.PackageNotFoundError:
        return "0+not.installed"
