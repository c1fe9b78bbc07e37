from penstock_adapters.cloudflare.entry_point import Default

__all__ = ["Default"]
