"""The names that the package exports."""

from importlib import metadata

import pytest

import penstock


def test_every_public_name_is_there() -> None:
    assert [name for name in penstock.__all__ if getattr(penstock, name).__name__ != name] == []
    with pytest.raises(AttributeError, match="no attribute 'Handler'"):
        penstock.Handler  # noqa: B018


def test_the_version_is_that_of_the_installed_package() -> None:
    assert penstock.__version__ == metadata.version("penstock")
