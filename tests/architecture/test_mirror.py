"""Which tests a module has: the test file of its own name, or the ones that this table names.

The table names a module or a whole package; the longest name counts. Paths are seen from tests/, and a folder stands
for all of its files.
"""

from __future__ import annotations

from pathlib import Path

from architecture.source import ROOT, Module, everything

TESTS = ROOT / "tests"

ELSEWHERE = {
    # The core, without the engine.
    "penstock": "core/test_public.py",
    "penstock.__main__": "live/test_start.py",
    "penstock.dialects": "architecture/test_layers.py",
    "penstock.dialects.chat_completions": "core/dialects/chat_completions",
    "penstock.dialects.responses": "core/dialects/responses",
    "penstock.dialects.synthetic": "core/dialects live/test_synthetic.py",
    "penstock.dialects.synthetic.options": "core/dialects/synthetic/options",
    "penstock.endpoints": "core/test_service.py core/test_fuzz_routes.py",
    "penstock.endpoints.faulty": "core/engine/upstreams/synthetic",
    "penstock.endpoints.faulty_replies": "core/engine/upstreams/synthetic",
    "penstock.endpoints.health": "live/test_upstreams_at_start.py live/test_store_outages.py",
    "penstock.endpoints.models": "live/test_models.py",
    "penstock.endpoints.passthrough": "live/test_relays.py live/test_upstream_state.py",
    "penstock.endpoints.method_replies": "live/test_methods.py",
    "penstock.endpoints.schemas": "core/endpoints/test_openapi_document.py",
    "penstock.endpoints.socket": "core/test_sockets.py live/test_websocket.py",
    "penstock.endpoints.sockets": "core/test_sockets.py live/test_websocket.py",
    "penstock.endpoints.stream_queues": "core/test_sockets.py live/test_websocket.py",
    "penstock.fetching": "core/tools/web_search/test_pages.py live/test_web_search.py",
    "penstock.http": "core/test_service.py live/test_http.py",
    "penstock.local_model": "live/test_synthetic.py core/engine/upstreams/synthetic",
    "penstock.origins": "core/test_access.py live/test_hosts.py",
    "penstock.ports": "conformance",
    "penstock.responders": "core/test_service.py core/test_transcripts.py",
    "penstock.returned": "live/test_returned.py",
    "penstock.settings": "core/test_settings.py core/test_settings_lines.py core/test_settings_mistakes.py",
    "penstock.settings.keys": "core/test_keys.py",
    "penstock.settings.seal_keys": "live/test_sealing.py",
    "penstock.stores": "conformance",
    "penstock.stores.memory": "conformance core/stores/test_memory.py",
    "penstock.stores.sqlite": "conformance core/stores",
    "penstock.telemetry": "core/telemetry",
    "penstock.telemetry.access_log": "live/test_logs.py",
    "penstock.telemetry.outage": "core/test_outage.py",
    "penstock.text_runs": "core/transcript/test_text_runs.py",
    "penstock.tool_calls": "core/tool_calls live/test_tools.py live/test_client_tools.py",
    "penstock.tools": "core/tools",
    "penstock.tools.web_search": "core/tools/web_search live/test_web_search.py",
    "penstock.transcript": "core/transcript core/test_transcripts.py",
    "penstock.upstream_replies": "core/test_upstream_errors.py live/test_failing.py",
    "penstock.version": "architecture/test_project.py",
    "penstock.websocket": "core/test_sockets.py",
    "penstock.wire": "core/wire core/test_transcripts.py",
    # The engine.
    "penstock.engine": "core/test_service.py",
    "penstock.engine.background": "core/engine/background",
    "penstock.engine.context": "core/engine/context",
    "penstock.engine.context.sealing": "live/test_sealing.py core/engine/context/test_sealed_requests.py",
    "penstock.engine.loops": "adapters/test_lifespans.py",
    "penstock.engine.planning": "core/engine/planning core/test_service.py",
    "penstock.engine.planning.no_generate": "core/test_sockets.py live/test_websocket.py",
    "penstock.engine.planning.redaction": "live/test_masking.py",
    "penstock.engine.request": "core/engine/request",
    "penstock.engine.request.chat_parts": "live/test_chat_parts.py",
    "penstock.engine.request.request_body": "live/test_bodies.py live/test_bounds.py",
    "penstock.engine.request.unknown_parameters": "live/test_ignored.py live/test_unknown_types.py",
    "penstock.engine.request.validation_errors": "live/test_mistakes.py",
    "penstock.engine.running": "core/engine/running",
    "penstock.engine.running.connection_cache": "core/test_sockets.py live/test_websocket.py",
    "penstock.engine.running.drain": "live/test_draining.py",
    "penstock.engine.store_check": "live/test_store_outages.py",
    "penstock.engine.upstreams": "core/engine/upstreams live/test_routing.py",
    "penstock.engine.upstreams.catalog": "live/test_upstreams_at_start.py live/test_models.py",
    "penstock.engine.upstreams.connection_limit": "live/test_saturation.py conformance/transports",
    "penstock.engine.upstreams.context_windows": "live/test_truncation.py",
    "penstock.engine.upstreams.local": "live/test_synthetic.py",
    "penstock.engine.upstreams.synthetic": "core/engine/upstreams/synthetic",
    # The adapters.
    "penstock_adapters": "adapters",
    "penstock_adapters.aiohttp": "conformance/transports",
    "penstock_adapters.asgi": "adapters/test_asgi_http.py adapters/test_asgi_websocket.py",
    "penstock_adapters.aws": "adapters/aws",
    "penstock_adapters.cli": "adapters/test_cli.py adapters/test_cli_serve.py live/test_start.py",
    "penstock_adapters.cli.http1": "adapters/test_http1.py live/test_heads.py",
    "penstock_adapters.cli.init": "adapters/test_cli_init.py",
    "penstock_adapters.cli.websocket": "adapters/test_websocket_sends.py adapters/test_websocket_slices.py",
    "penstock_adapters.cloudflare": "cloudflare conformance/transports",
    "penstock_adapters.content_codings": "adapters/test_compression.py live/test_bodies.py",
    "penstock_adapters.dynamodb": "conformance adapters/dynamodb",
    "penstock_adapters.http_client": "conformance/transports adapters/test_reply_parser.py",
    "penstock_adapters.page_text": "adapters/test_page_text.py live/test_web_search.py",
    "penstock_adapters.postgres": "conformance adapters/test_postgres.py adapters/test_postgres_server.py",
    "penstock_adapters.redis": "conformance adapters/test_redis.py adapters/test_redis_server.py",
    "penstock_adapters.state_directory": "adapters/test_seal_keys.py",
    "penstock_adapters.tls": "conformance/transports live/test_connections.py",
}


def own_tests(module: Module) -> Path:
    """Where the test file of the module's own name is, or would be."""
    package, _, rest = module.name.partition(".")
    folder = TESTS / {"penstock": "core", "penstock_adapters": "adapters"}[package]
    *folders, name = rest.split(".")
    return folder.joinpath(*folders, f"test_{name}.py")


def other_tests(module: Module) -> list[str]:
    """The table's entry for the module, or of the nearest package around it."""
    steps = module.name.split(".")
    names = (".".join(steps[:count]) for count in range(len(steps), 0, -1))
    return next((ELSEWHERE[name].split() for name in names if name in ELSEWHERE), [])


def test_every_module_has_tests() -> None:
    assert not [module.name for module in everything() if not own_tests(module).exists() and not other_tests(module)]


def test_what_the_table_names_is_there() -> None:
    assert set(ELSEWHERE) <= {module.name for module in everything()}
    paths = {path for names in ELSEWHERE.values() for path in names.split()}
    assert not {path for path in paths if not (TESTS / path).is_file() and not any((TESTS / path).glob("**/test_*.py"))}


def test_the_table_has_nothing_twice() -> None:
    """A module that has a file of its name needs no line, but for a package: the line is for what it contains."""
    modules = {module.name: module for module in everything()}
    packages = {name for name, module in modules.items() if module.path.name == "__init__.py"}
    assert not {name for name in ELSEWHERE if name not in packages and own_tests(modules[name]).exists()}
