"""Errors that options ask for, in place of an answer."""

from __future__ import annotations

from http import HTTPStatus

from penstock.dialects.synthetic.draws import Draws
from penstock.dialects.synthetic.options import SyntheticOptions
from penstock.errors import ApiError, rate_limited

from .request_counts import Counts

_STATUS = 500
_CODES = {401: "invalid_api_key", 404: "model_not_found"}


def asked_error(options: SyntheticOptions, draws: Draws, counts: Counts) -> ApiError | None:
    """The error of a request, which is counted. None where it does not fail."""
    if options.error is options.error_rate is options.error_count is None:
        return None
    if options.error_count is not None and counts.errors >= options.error_count:
        return None
    # spec: synthetic-faults
    if not draws.happens("error", 1 if options.error_rate is None else options.error_rate):
        return None
    counts.errors += 1
    return _error(options.error or _STATUS, options.retry_after)


def _error(status: int, retry_after_s: float | None) -> ApiError:
    name = HTTPStatus(status).phrase if status in _KNOWN else "Error"
    message = f"{name}: the options of the synthetic model ask for this error."
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return rate_limited(message, retry_after_s)
    is_ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return ApiError(
        message,
        status=status,
        type="server_error" if is_ours else "invalid_request_error",
        code="server_error" if is_ours else _CODES.get(status),
        retry_after_s=retry_after_s,
    )


_KNOWN = {status.value for status in HTTPStatus}
