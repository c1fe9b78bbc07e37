"""Upstreams: which of them serve a model, in what order they are asked, and how one is asked."""
