"""What only some modules do: each rule defines how it looks in the source, and where it may stand."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import pytest

from architecture.source import Module, everything


class Rule(NamedTuple):
    what: str
    is_seen: Callable[[ast.AST], bool]
    examples: tuple[str, ...]
    modules: Mapping[str, str]
    """The modules that may do it, each with the reason."""


def _called(node: ast.AST) -> str:
    """The last name of what a call calls: `sleep` for `asyncio.sleep(1)`."""
    match node:
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
            return name
    return ""


def numbers_an_event(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(attr="sequence_number", ctx=ast.Store()) | ast.keyword(arg="sequence_number"):
            return True
        case ast.Call(func=ast.Name(id="setattr"), args=[_, ast.Constant(value="sequence_number"), *_]):
            return True
    return False


RULES = (
    Rule(
        "an event is numbered",
        numbers_an_event,
        ("event.sequence_number = 7", "Created(sequence_number=7)", "setattr(event, 'sequence_number', 7)"),
        {
            "penstock.transcript.transcript": "it numbers what it records",
            "penstock.text_runs": "the deltas of one read are one run of numbers, which the transcript gave",
            "penstock.engine.upstreams.synthetic.event_formats": "a faulty end has the number that was asked for",
            "penstock.engine.background.follow": "a stream of what is over has the number of its log",
        },
    ),
    Rule(
        "a Response is made",
        lambda node: _called(node) == "Response",
        ("Response(id='resp_1')", "wire.Response(id='resp_1')"),
        {"penstock.engine.planning.plan": "the Response before anything is known; the transcript folds events into it"},
    ),
    Rule(
        "time is slept away",
        lambda node: _called(node) == "sleep",
        ("await asyncio.sleep(1)", "time.sleep(1)", "sleep(1)"),
        {
            "penstock.engine.background.dispatched": "leases are renewed in intervals",
            "penstock.engine.background.runner": "leases are renewed in intervals; another cancel may be at work",
            "penstock.engine.running.persistence": "the lock of a conversation is renewed in intervals",
            "penstock.engine.upstreams.local": "other tasks run between the batches of the synthetic model",
            "penstock.engine.upstreams.synthetic.chat_replies": "other tasks run between the pieces of a large body",
            "penstock.engine.upstreams.pool": "the wait before another attempt",
            "penstock.engine.upstreams.synthetic.pacing": "other tasks run between the batches of a late answer",
            "penstock.engine.upstreams.synthetic.faulty_stream": "a stall, which options ask for",
            "penstock.engine.upstreams.synthetic.upstream": "the wait for a head, which options ask for",
            "penstock.tools.mcp.replies": "other tasks run between the passes over long texts",
            "penstock.tools.web_search.engine_client": "the pause that an engine asks for before the next query",
            "penstock.stores.sqlite.connection": "another process has the lock; in a thread of its own",
            "penstock.stores.sqlite.event_waiters": "another process may have let a conversation go",
            "penstock_adapters.aws.api": "the wait before a call is repeated",
            "penstock_adapters.cloudflare.d1.events": "D1 sends no notifications",
            "penstock_adapters.dynamodb.events": "DynamoDB sends no notifications",
            "penstock_adapters.dynamodb.maintenance": "another service makes the table",
            "penstock_adapters.dynamodb.table": "a busy table has left a part of a batch",
            "penstock_adapters.dynamodb.turns": "another process may append to a conversation",
            "penstock_adapters.cli.worker_processes": "a worker that died at once is not replaced at once",
            "penstock_adapters.http_client.pool": "asyncio's transports end in the next turn of the loop",
            "penstock_adapters.locust_users.users": "a simulated user polls in intervals; it is no part of a server",
            "penstock_adapters.postgres.notifications": "the wait before another connection, and between notifications",
            "penstock_adapters.cli.certificates": "the wait before the files of the certificate are looked at again",
            "penstock_adapters.redis.pipeline": "the wait before another connection",
        },
    ),
    Rule(
        "a module is imported by its name",
        lambda node: _called(node) in {"import_module", "__import__", "exec", "eval"},
        ("importlib.import_module('aiohttp')", "import_module('aiohttp')", "__import__('aiohttp')", "eval('1')"),
        {
            "penstock": "its names are imported when they are first used",
            "penstock_adapters.content_codings": "an optional package",
            "penstock_adapters.postgres.database": "an optional package",
            "penstock_adapters.postgres.migrations": "an optional package",
            "penstock_adapters.postgres.notifications": "an optional package",
        },
    ),
)


def doers(rule: Rule, modules: Iterable[Module]) -> set[str]:
    return {module.name for module in modules if any(map(rule.is_seen, module.nodes))}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.what)
def test_it_stands_where_it_may_and_nowhere_else(rule: Rule) -> None:
    assert doers(rule, everything()) == {*rule.modules}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.what)
def test_it_is_seen(rule: Rule) -> None:
    for example in rule.examples:
        tree = ast.parse(f"async def f():\n    {example}")
        assert any(map(rule.is_seen, ast.walk(tree))), example
