"""Every store that a URL can open is in the store suite."""

from conformance.engines import ENGINES
from penstock import assembly
from penstock_adapters.drivers import STORES


def test_every_store_is_in_the_suite() -> None:
    opened = {*assembly.STORES, *STORES} - {"none"}
    assert opened == {scheme for engine in ENGINES.values() for scheme in engine.schemes}
