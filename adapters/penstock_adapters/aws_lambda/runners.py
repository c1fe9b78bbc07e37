"""The runners of background responses: this function, invoked once more, or a queue of SQS.

What is sent is the owner and the id of a stored response, and nothing of its content. Both services deliver it at
least once. Source: "Invoke" of Lambda's API reference, and "SendMessage" of that of SQS.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec

from penstock.errors import ApiError, unavailable
from penstock.ports import BackgroundRunner
from penstock_adapters.aws import AwsApi, AwsError, CredentialsChain, endpoint, region
from penstock_adapters.aws.credentials import ConnectUrl
from penstock_adapters.aws.signature import Scope
from penstock_adapters.drivers import aws_transport

from .background import Message

_log = logging.getLogger("penstock.aws_lambda")
_QUEUE_HOST = "sqs."


class LambdaRunner:
    """Invokes a function asynchronously: Lambda repeats an invocation that fails, twice by default."""

    def __init__(self, url: str, connect: ConnectUrl, environment: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        name = parts.netloc or environment.get("AWS_LAMBDA_FUNCTION_NAME")
        if not name:
            raise ValueError("lambda:// is this function, but AWS_LAMBDA_FUNCTION_NAME is not set")
        options = dict(parse_qsl(parts.query))
        region_name = region(environment, options.get("region"))
        version = None if parts.netloc else environment.get("AWS_LAMBDA_FUNCTION_VERSION")
        self._path = f"/2015-03-31/functions/{quote(name, safe='')}/invocations"
        self._path += f"?Qualifier={quote(version, safe='')}" if version else ""
        url = endpoint("lambda", region_name, environment, options.get("endpoint"))
        self._api = _api(url, Scope(region_name, "lambda"), connect, environment)

    async def start(self, owner: str, response_id: str) -> None:
        """See `BackgroundRunner`."""
        headers = {"content-type": "application/json", "x-amz-invocation-type": "Event"}
        await _ask(self._api, self._path, headers, msgspec.json.encode(Message(response_id, owner)))

    async def aclose(self) -> None:
        """See `BackgroundRunner`."""
        await self._api.aclose()
        self._api.open()


class SqsRunner:
    """Sends messages to a queue, whose URL it has. The queue's function runs the responses."""

    def __init__(self, url: str, connect: ConnectUrl, environment: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.query or parts.username or len(parts.path.strip("/").split("/")) != 2:
            raise ValueError(
                "not the URL of a queue, such as https://sqs.eu-west-1.amazonaws.com/123456789012/penstock"
            )
        given = host.split(".")[1] if host.startswith(_QUEUE_HOST) else None
        scope = Scope(region(environment, given), "sqs")
        self._queue = url
        self._is_fifo = parts.path.endswith(".fifo")
        self._api = _api(f"{parts.scheme}://{parts.netloc}", scope, connect, environment)

    async def start(self, owner: str, response_id: str) -> None:
        """See `BackgroundRunner`."""
        body = msgspec.json.encode(Message(response_id, owner)).decode()
        message = {"QueueUrl": self._queue, "MessageBody": body}
        if self._is_fifo:  # no order among responses
            message |= {"MessageGroupId": response_id, "MessageDeduplicationId": response_id}
        headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.SendMessage"}
        await _ask(self._api, "/", headers, msgspec.json.encode(message))

    async def aclose(self) -> None:
        """See `BackgroundRunner`."""
        await self._api.aclose()
        self._api.open()


def open_runner(url: str) -> BackgroundRunner:
    """The runner at a URL. Raises `ValueError` for another one."""
    scheme = url.partition("://")[0]
    if scheme == "lambda":
        return LambdaRunner(url, aws_transport, os.environ)
    if scheme in ("http", "https"):
        return SqsRunner(url, aws_transport, os.environ)
    raise ValueError("give lambda://, or the URL of a queue of SQS")


def _api(url: str, scope: Scope, connect: ConnectUrl, environment: Mapping[str, str]) -> AwsApi:
    return AwsApi(url, scope, CredentialsChain(environment, connect), connect, logger=_log)


async def _ask(api: AwsApi, path: str, headers: dict[str, str], body: bytes) -> None:
    """Call the service. Raises `ApiError` 503 for each failure: the log has the reason."""
    try:
        await api.call(path, headers, body)
    except AwsError as error:
        _log.error("a background response cannot be started: %s", error)
        raise unavailable("The response could not be started in the background.", retry_after_s=1.0) from None
    except ApiError:
        raise unavailable("The response could not be started in the background.", retry_after_s=1.0) from None
