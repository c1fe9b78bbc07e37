"""Azure's Python runtime, and what the host of Azure Functions does around it.

The host asks the runtime for its functions, starts an invocation for each request, and passes the request on to the
runtime's web server with the id of the invocation in a header. In Azure the two use gRPC; here they are one process,
so the messages are plain objects.
"""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from azure_functions_runtime import handle_event

ID_HEADER = "x-ms-invocation-id"


class Message(SimpleNamespace):
    """A message of gRPC: fields that were not set are empty."""

    Failure, Success = 0, 1
    undefined, out, inout = 0, 1, 2

    def __getattr__(self, name: str) -> None:
        if name.startswith("_") or not name.islower():
            raise AttributeError(name)

    def WhichOneof(self, name: str) -> str | None:  # noqa: N802 - its name in protobuf
        """The only field that is set."""
        return next(iter(vars(self)), None)


class Parameter(Message):
    """The argument of the function."""

    name = "req"


class Messages:
    """The types of messages, by name."""

    def __getattr__(self, name: str) -> type[Message]:
        return type(name, (Message,), {})


def asked(name: str, **fields: Any) -> SimpleNamespace:
    """A request to the runtime."""
    return SimpleNamespace(
        request=SimpleNamespace(**{name: SimpleNamespace(**fields)}),
        properties={"host": "127.0.0.1", "protos": Messages()},
    )


class Host:
    def __init__(self, function: Message, web_server: str) -> None:
        self.function = function
        self.port = urlsplit(web_server).port
        self.tasks: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on, of one request."""
        head = await reader.readuntil(b"\r\n\r\n")
        invocation_id = str(uuid.uuid4())
        line, rest = head.split(b"\r\n", 1)
        path = line.split(b" ")[1].decode().partition("?")[0]
        self.start(self.invoke(invocation_id, path))
        theirs, ours = await asyncio.open_connection("127.0.0.1", self.port)
        ours.write(line + f"\r\n{ID_HEADER}: {invocation_id}\r\nconnection: close\r\n".encode() + rest)
        up = self.start(copy(reader, ours))
        await copy(theirs, writer)
        up.cancel()

    async def invoke(self, invocation_id: str, path: str) -> None:
        """Start the function, which waits for its request."""
        ended = await handle_event.invocation_request(
            asked(
                "invocation_request",
                invocation_id=invocation_id,
                function_id=self.function.function_id,
                input_data=[Parameter(data=http_data(path))],
                trigger_metadata={},
                trace_context=Message(),
                retry_context=Message(),
            )
        )
        if ended.result.status != Message.Success:
            print(ended.result.exception.message, ended.result.exception.stack_trace, flush=True)  # noqa: T201

    def start(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


def http_data(path: str) -> Message:
    """The request as its trigger has it: without the body, which the web server gets."""
    fields = {"method": "POST", "url": path, "headers": {}, "query": {}, "params": {"path": path}, "body": Message()}
    return Message(http=Message(**fields))


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy bytes to the end. Where either side leaves, so does the other."""
    try:
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def main(folder: str) -> None:
    os.chdir(folder)
    sys.path.insert(0, folder)
    started = await handle_event.worker_init_request(
        asked("worker_init_request", capabilities={}, function_app_directory=folder)
    )
    assert started.result.status == Message.Success, started
    found = await handle_event.functions_metadata_request(None)
    (function,) = found.function_metadata_results
    host = Host(function, started.capabilities["HttpUri"])
    await until_listening(host.port)
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    print(f"listening on http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)  # noqa: T201
    await server.serve_forever()


async def until_listening(port: int | None) -> None:
    for _ in range(500):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return
    raise TimeoutError("the web server does not listen")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
