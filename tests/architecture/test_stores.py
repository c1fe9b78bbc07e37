"""Every store that a URL can open is in the store suite."""

from conformance.engines import ENGINES
from penstock import assembly
from penstock_adapters.drivers import STORES

OF_WORKERS = {"d1", "kv"}
"""The stores that only a Worker of Cloudflare has: they need Pyodide, and cannot be imported here."""


def test_every_store_is_in_the_suite() -> None:
    opened = {*assembly.STORES, *STORES, *OF_WORKERS} - {"none"}
    assert opened == {scheme for engine in ENGINES.values() for scheme in engine.schemes}
