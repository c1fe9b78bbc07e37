"""The paths of requests: their form in the table of routes, their ids, and their names in metrics.

It knows where a path has ids. It does not know the routes.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

_OPENAIS = ("responses", "conversations", "models", "chat", "completions", "embeddings", "rerank")
"""The first steps of paths that clients look for under `/v1`. Every path is found with and without it."""


def plain(path: str) -> str:
    """The path without `/v1` and without a slash at its end, as in the table."""
    path = path.removeprefix("/v1") or "/"
    return path.rstrip("/") or ("/" if path == "/" else path)


def known_paths(table: Iterable[str]) -> dict[str, tuple[str, list[str]]]:
    """What `path_pattern` finds for the paths without ids, as nearly all clients write them."""
    fixed = [pattern for pattern in table if "*" not in pattern]
    return {path: (pattern, []) for pattern in fixed for path in (pattern, f"/v1{pattern}")}


def below_root(path: str, root: str) -> str:
    """The path below the root path, which a proxy may have removed already."""
    # spec: root-path
    return path.removeprefix(root) or "/" if f"{path}/".startswith(f"{root}/") else path


def path_pattern(path: str, table: Container[str]) -> tuple[str, list[str]]:
    """A path's pattern and the ids in it.

    A path without ids is its own pattern. In others, every second step is an id. All after `/models/` is one id.
    """
    if path in table and "*" not in path:
        return path, []
    if path.startswith("/models/"):
        return "/models/*", [path.removeprefix("/models/")]
    steps = path.split("/")
    path_ids = steps[2::2]
    steps[2::2] = ["*"] * len(path_ids)
    return "/".join(steps), path_ids


def route_name(pattern: str) -> str:
    """The name of a route in metrics: as clients write it, with `{id}` in place of each id."""
    prefix = "/v1" if pattern.split("/")[1] in _OPENAIS else ""
    return prefix + pattern.replace("*", "{id}")
