"""AWS Lambda: the handler and the runtime in AWS' own emulator, and the runtime before a Runtime API of the tests.

Every request is an event, in the form of a Function URL. The emulator holds a stream back until it is complete; the
Runtime API of the tests notes when each piece came.
"""

from __future__ import annotations

import atexit
import http.client
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from base64 import b64decode
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from deploy.aws.make_zips import fill_function

from conformance.hosts.kit import PATIENCE_S, REQUEST_S, Answer, Call, Host, need, python, variables
from conformance.servers import free_port
from support.lambda_events import v2
from support.missing import Missing
from support.runtime_api import NUL, RuntimeApiServer
from support.waiting import until

PROGRAMS = Path(__file__).parent / "programs"
INVOCATIONS = "/2015-03-31/functions/function/invocations"
STAGE = "/staging"


def event_of(call: Call) -> dict[str, Any]:
    """The request as a Function URL sends it: a stage, if there is one, cookies apart, and binary bodies in base64."""
    stage = "$default"
    path = call.path
    if path.startswith(f"{STAGE}/"):
        stage, path = STAGE[1:], path.removeprefix(STAGE)
    headers = [(name, value) for name, value in call.headers if name != "cookie"]
    cookies = [value for name, value in call.headers if name == "cookie"]
    return v2(
        call.method, path, call.query, headers, call.body, base64=not _is_text(call), stage=stage, cookies=cookies
    )


def _is_text(call: Call) -> bool:
    """Whether AWS takes the body for text: by its type, and where it is not compressed."""
    try:
        call.body.decode()
    except UnicodeDecodeError:
        return False
    return all(name != "content-encoding" for name, _ in call.headers)


def answer_of(result: dict[str, Any]) -> Answer:
    """The reply in a buffered result."""
    text = result.get("body", "")
    body = b64decode(text) if result.get("isBase64Encoded") else text.encode()
    headers = [*result["headers"].items(), *(("set-cookie", cookie) for cookie in result.get("cookies", ()))]
    return Answer(result["statusCode"], headers, [body], [0.0])


def streamed_answer(raw: bytes) -> Answer:
    """The reply in a streamed result: a prelude, and what follows it."""
    head, separator, body = raw.partition(NUL)
    assert separator, raw[:300]
    prelude = json.loads(head)
    headers = [*prelude["headers"].items(), *(("set-cookie", cookie) for cookie in prelude.get("cookies", ()))]
    return Answer(prelude["statusCode"], headers, [body], [0.0])


class Emulated(Host):
    """A function in AWS' emulator, which has one event at a time."""

    streams = False
    shows_cuts = False
    is_function = True
    sees_disconnects = False
    request_s = 6  # it ends a request that is late, so there has to be time on a slow machine
    many_at_once = False
    prefixes = ("", STAGE)

    def start(self, upstream: str, **given: str) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-lambda-"))
        self.log = self.folder / "log"
        env = variables(upstream, {"AWS_LAMBDA_FUNCTION_TIMEOUT": str(self.request_s)} | given)
        command = self.command()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=env, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            until(self.is_ready, PATIENCE_S)
        except AssertionError:
            self.stop()
            raise

    def command(self) -> Sequence[str]:
        """The emulator with the runtime that it starts. Raises `Missing`."""
        return (str(emulator()), *self.addresses, *self.runtime())

    @property
    def addresses(self) -> Sequence[str]:
        options = ("--runtime-interface-emulator-address", "--runtime-api-address")
        return (options[0], self.address, options[1], f"127.0.0.1:{free_port()}")

    def runtime(self) -> Sequence[str]:
        raise NotImplementedError

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text(errors="replace")
        host, _, port = self.address.partition(":")
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(PATIENCE_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    def ask(self, call: Call) -> Answer:
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE_S)
        try:
            connection.request("POST", INVOCATIONS, json.dumps(event_of(call)).encode())
            reply = connection.getresponse()
            return self.answer(reply.read())
        finally:
            connection.close()

    def answer(self, raw: bytes) -> Answer:
        return streamed_answer(raw)


def emulator() -> Path:
    """AWS' emulator. Raises `Missing`."""
    name = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine(), "none")
    return need(f"samcli/local/rapid/aws-lambda-rie-{name}")


@cache
def zipped(interpreter: str) -> Path:
    """The content of the function's zip for the version of an interpreter. It is there until the tests end."""
    program = "import sys; print('%d.%d' % sys.version_info[:2])"
    version = subprocess.run((interpreter, "-c", program), capture_output=True, text=True, check=True).stdout.strip()
    folder = Path(tempfile.mkdtemp(prefix=f"penstock-function-{version}-"))
    atexit.register(shutil.rmtree, folder)
    fill_function(version, interpreter, {"aarch64": "arm64"}.get(platform.machine(), "x86_64"), folder)
    folder.chmod(0o755)  # the emulator runs it as another user
    return folder


class Handler(Emulated):
    """The handler, called by AWS' own client of the Runtime API."""

    name = "Lambda handler, emulator"
    is_buffered = True

    def runtime(self) -> Sequence[str]:
        need("awslambdaric")
        return (python(), "-m", "awslambdaric", "penstock_adapters.aws_lambda.handler")

    def answer(self, raw: bytes) -> Answer:
        return answer_of(json.loads(raw))


class Runtime(Emulated):
    """Our runtime, which streams."""

    name = "Lambda runtime, emulator"

    def runtime(self) -> Sequence[str]:
        return (python(), "-m", "penstock_adapters.aws_lambda")


class ConcurrentRuntime(Emulated):
    """Our runtime with several events at a time, as `bootstrap` starts it, in the folders that Lambda has.

    It is that of the zip for the hosts' Python. The emulator starts such a function in `/var/task` only, and as another
    user. So it runs in a file system of its own, which needs root. It takes the seconds of the time-out for another
    unit, so the limit is a setting here.
    """

    name = "Lambda runtime, emulator, concurrent"
    shows_cuts = True
    request_s = REQUEST_S
    many_at_once = True

    def start(self, upstream: str, **given: str) -> None:
        limit = {"PENSTOCK_LIMITS_REQUEST_S": str(self.request_s)}
        super().start(upstream, AWS_LAMBDA_MAX_CONCURRENCY="8", **limit, **given)

    def answer(self, raw: bytes) -> Answer:
        """Of a stream that is cut this emulator returns the error alone."""
        if raw.startswith(b'{"errorType":"Runtime.StreamCut"'):
            return Answer(200, [], is_whole=False)
        return super().answer(raw)

    def command(self) -> Sequence[str]:
        emulator()
        if os.geteuid() != 0 or subprocess.run(("unshare", "--mount", "true"), check=False).returncode != 0:
            raise Missing("the emulator of concurrent functions needs root, and the right to mount (CAP_SYS_ADMIN)")
        lang = Path(python()).resolve().parents[1]
        script = str(PROGRAMS / "emulated_lambda.sh")
        folders = (str(zipped(python())), str(lang), str(emulator()))
        return ("unshare", "--mount", "sh", script, *folders, *self.addresses)


class RecordedRuntime(Host):
    """Our runtime before the Runtime API of the tests, which notes each piece with its time.

    It is that of the zip for the Python of the tests.
    """

    name = "Lambda runtime, Runtime API"
    is_function = True
    sees_disconnects = False
    many_at_once = False
    prefixes = ("", STAGE)

    def start(self, upstream: str, **given: str) -> None:
        self.api = RuntimeApiServer(deadline_s=REQUEST_S)
        self._running = self.api.running()
        self._running.__enter__()
        function = zipped(sys.executable)
        ours = {"AWS_LAMBDA_RUNTIME_API": self.api.address, "LAMBDA_TASK_ROOT": str(function)}
        env = variables(upstream, ours | given)
        self.process = subprocess.Popen((str(function / "bootstrap"), sys.executable), env=env)

    def stop(self) -> None:
        self._running.__exit__(None, None, None)
        try:
            self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()

    def ask(self, call: Call) -> Answer:
        posted = self.api.answer(event_of(call))
        assert posted.path == "/invocation/id-1/response", posted.json
        answer = streamed_answer(posted.body)
        at = list(zip(posted.pieces, posted.times, strict=True))
        answer.pieces = [at[0][0].partition(NUL)[2], *(piece for piece, _ in at[1:])]
        answer.times = [time for _, time in at]
        answer.is_whole = posted.is_whole and not posted.trailers
        return answer
