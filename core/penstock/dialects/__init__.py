"""The dialects: one wire format of upstreams each, pure, and without knowledge of the others."""
