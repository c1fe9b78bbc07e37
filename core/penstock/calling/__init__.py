"""Tool families as function calls: what a chat model is offered, what its calls become, how history reads.

One file a family, and here the explicit register by the family's classes. A family without an entry is not for chat
models to call. Everything here is pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from penstock.wire import (
    CustomTool,
    CustomToolCall,
    CustomToolCallOutput,
    FunctionCall,
    FunctionCallOutput,
    FunctionTool,
    Item,
)

from . import custom_tool, function_call
from ._base import Call, CallForm, Offer, Output

Offers: TypeAlias = Iterator[tuple[Offer, CallForm]]

OFFERS: dict[type[Any], Callable[[Any], Offers]] = {
    FunctionTool: function_call.offers,
    CustomTool: custom_tool.offers,
}
CALLS: dict[type[Item], Callable[[Any], Call]] = {
    FunctionCall: function_call.call,
    CustomToolCall: custom_tool.call,
}
OUTPUTS: dict[type[Item], Callable[[Any], Output]] = {
    FunctionCallOutput: function_call.output,
    CustomToolCallOutput: custom_tool.output,
}

__all__ = ["CALLS", "OFFERS", "OUTPUTS", "Call", "CallForm", "Offer", "Offers", "Output"]
