"""The parser of the command line: argparse errors, with the word that was probably meant."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from typing import NoReturn

from penstock.errors import suggestion

_UNKNOWN_FLAG = re.compile(r"unrecognized arguments: .*?(--[A-Za-z-]+)")
_UNKNOWN_WORD = re.compile(r"invalid choice: '([^']*)'")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors suggest the word that was probably meant, as do those of its subparsers."""

    def error(self, message: str) -> NoReturn:
        """Write the usage and the message to stderr, and exit with 2."""
        # spec: mistaken-settings
        if flag := _UNKNOWN_FLAG.search(message):
            message += suggestion(flag[1], self._flags())
        elif word := _UNKNOWN_WORD.search(message):
            message += suggestion(word[1], self._words())
        super().error(message)

    def _flags(self) -> Iterator[str]:
        """Every flag of this parser and of its commands."""
        for action in self._actions:
            yield from action.option_strings
        for command in self._commands():
            yield from command._flags()

    def _words(self) -> Iterator[str]:
        """Every word that this parser accepts in a choice."""
        for action in self._actions:
            yield from map(str, action.choices or ())

    def _commands(self) -> Iterator[Parser]:
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                yield from action.choices.values()
