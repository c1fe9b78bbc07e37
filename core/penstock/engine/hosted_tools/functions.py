"""The functions of hosted tools that a response may call, and how many calls it may still make."""

from __future__ import annotations

from collections.abc import Container, Iterable

from penstock.ports import HostedFunction, ToolCall, ToolSession


class HostedFunctions:
    """The functions of all sessions of a response, by name."""

    def __init__(self, calls_max: int) -> None:
        self._calls_left = calls_max
        self._by_name: dict[str, tuple[ToolSession, HostedFunction]] = {}

    def add(self, sessions: Iterable[ToolSession], hidden: Container[str]) -> None:
        """Add the functions of open sessions. A function of the client hides one of the same name."""
        for session in sessions:
            for function in session.functions:
                if function.definition.name not in hidden:
                    self._by_name.setdefault(function.definition.name, (session, function))

    def all(self) -> list[HostedFunction]:
        """All functions, in order."""
        return [function for _, function in self._by_name.values()]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    @property
    def has_calls_left(self) -> bool:
        """Whether the response may make another call."""
        return self._calls_left > 0

    def take_call(self) -> bool:
        """Count one more call, if the response may make one."""
        # spec: max-tool-calls
        if self._calls_left <= 0:
            return False
        self._calls_left -= 1
        return True

    def call(self, name: str) -> ToolCall | None:
        """A call of a function. None where the response may make no more calls."""
        session, function = self._by_name[name]
        return session.call(function) if self.take_call() else None
