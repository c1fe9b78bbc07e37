"""The languages of upstreams, each pure and a stranger to the others."""
