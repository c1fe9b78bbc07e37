"""The front door."""

import pytest

import penstock


def test_every_public_name_is_there() -> None:
    assert [name for name in penstock.__all__ if getattr(penstock, name).__name__ != name] == []
    with pytest.raises(AttributeError, match="no attribute 'Handler'"):
        penstock.Handler  # noqa: B018
