"""Every bound has a name and a default."""

import msgspec

from penstock.limits import Limits


def test_every_limit_has_a_default_of_its_own_kind() -> None:
    """A limit that its own type refuses could not be written into a settings file."""
    limits = Limits()
    assert msgspec.convert(msgspec.to_builtins(limits), Limits) == limits
