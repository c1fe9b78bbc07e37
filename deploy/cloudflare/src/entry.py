"""The Worker: Penstock, with the variables, secrets and bindings of wrangler.jsonc."""

from penstock_adapters.cloudflare.entry_point import Default

__all__ = ["Default"]
