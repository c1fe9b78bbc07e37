"""The AWS Lambda adapter: the API as a function behind a Function URL, an API Gateway or a load balancer.

`penstock_adapters.aws_lambda.handler` is the handler of a managed Python runtime, whose replies are buffered. As
`python -m penstock_adapters.aws_lambda`, which `bootstrap` starts, it is a runtime of its own, whose replies stream.
`events` reads requests, `results` writes replies, `background` and `runners` are for background responses, `function`
answers, and `runtime` and `runtime_api` are the runtime.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from .loading import Function, function_settings


def handler(event: Any, context: Any) -> dict[str, Any] | None:
    """Answer an event. Raises `EventError` for an event that is no HTTP request, `NotDone`, and `SettingsError`."""
    return _function().answer(event, context)


@cache
def _function() -> Function:
    """The function of this process. It is made with the first event, so that an import alone needs no settings."""
    return Function(function_settings())
