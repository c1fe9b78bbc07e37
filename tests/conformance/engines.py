"""The engines that the store suite runs over: one entry each, and nothing else knows their names.

An engine gives places; a place is a URL or path behind which nothing is yet, and several stores may stand in front of
one place at the same time, as replicas do.
"""

from __future__ import annotations

import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from cloudflare.host import RemoteStore, called, shared_host
from conformance.servers import Process, adapter, free_port, program, remove, unprivileged
from penstock.ports import Store
from penstock.stores.memory import MemoryStore
from penstock.stores.sqlite import SqliteStore
from penstock_adapters.aws import api as aws_api
from penstock_adapters.drivers import aws_transport
from support.missing import Missing


class Engine:
    """How to start it, to get an empty place, to open stores there, and to count what is left."""

    name: ClassVar[str]
    schemes: ClassVar[frozenset[str]]
    """The schemes of the URLs that open such a store."""
    is_durable: ClassVar[bool] = True
    """Whether a store that is opened again has what was there."""
    long_tests: ClassVar[frozenset[str]] = frozenset()
    """The tests that take minutes in front of this server, and are left to `make test-all`."""
    impossible_tests: ClassVar[frozenset[str]] = frozenset()
    """The tests of what this engine cannot do. Its documents state it, and its own tests show what happens instead."""
    possible_tests: ClassVar[frozenset[str]] = frozenset()
    """The only tests of what this engine can do, where that is a part of a store. Its documents state it, too."""

    def start(self) -> None:
        """Make places possible. Raises `Missing`, and leaves nothing behind then."""
        self.directory = Path(tempfile.mkdtemp(prefix=f"penstock-{self.name}-"))

    def stop(self) -> None:
        """End what `start` began, and remove its files."""
        remove(self.directory)

    def location(self) -> str:
        """A place where nothing is."""
        raise NotImplementedError

    def open(self, location: str) -> Store:
        """A store in front of it; `migrate` has not run."""
        raise NotImplementedError

    def rows(self, location: str) -> int:
        """Everything that is there, whatever the store itself may return of it."""
        raise NotImplementedError

    def contents(self, location: str) -> bytes:
        """What the rows there contain, one after the other, and the files of an embedded engine as they are."""
        raise NotImplementedError


class Memory(Engine):
    name = "memory"
    schemes = frozenset({"memory"})
    is_durable = False

    def location(self) -> str:
        self._stores = {"memory://": MemoryStore()}
        return "memory://"

    def open(self, location: str) -> Store:
        """The same one for all: its replicas are one process."""
        return self._stores[location]

    def rows(self, location: str) -> int:
        table = self._stores[location]._table
        return len(table.entries) + len(table._holders) + table.bytes

    def contents(self, location: str) -> bytes:
        return repr(self._stores[location]._table.entries).encode()


class Sqlite(Engine):
    name = "sqlite"
    schemes = frozenset({"sqlite"})

    def start(self) -> None:
        super().start()
        self._numbers = count(1)

    def location(self) -> str:
        return str(self.directory / f"{next(self._numbers)}.db")

    def open(self, location: str) -> Store:
        return SqliteStore(location)

    def rows(self, location: str) -> int:
        with closing(sqlite3.connect(location)) as db:
            tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return sum(db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables)

    def contents(self, location: str) -> bytes:
        files = sorted(self.directory.glob(f"{Path(location).name}*"))
        return b"\n".join(file.read_bytes() for file in files)


class Redis(Engine):
    name = "redis"
    schemes = frozenset({"redis", "rediss", "valkey"})

    def start(self) -> None:
        self._store = adapter("penstock_adapters.redis", "RedisStore")
        server = program("redis-server")
        super().start()
        self.port = free_port()
        options = ["--port", str(self.port), "--save", "", "--appendonly", "no", "--dir", str(self.directory)]
        self.process = Process([server, *options], self.directory)
        self.process.until(lambda: self._ask("PING") == "+PONG")

    def stop(self) -> None:
        self.process.end()
        super().stop()

    def location(self) -> str:
        self._ask("FLUSHALL")
        return f"redis://127.0.0.1:{self.port}/0"

    def open(self, location: str) -> Store:
        return self._store(location)

    def rows(self, location: str) -> int:
        return int(self._ask("DBSIZE").removeprefix(":"))

    def contents(self, location: str) -> bytes:
        with import_module("redis").Redis(port=self.port) as db:
            read = {
                b"string": db.get,
                b"hash": db.hgetall,
                b"list": lambda key: db.lrange(key, 0, -1),
                b"set": db.smembers,
                b"zset": lambda key: db.zrange(key, 0, -1, withscores=True),
                b"stream": db.xrange,
            }
            return repr({key: read[db.type(key)](key) for key in db.scan_iter()}).encode()

    def _ask(self, command: str) -> str:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(1000).decode().strip()


class Postgres(Engine):
    name = "postgres"
    schemes = frozenset({"postgres", "postgresql"})

    def start(self) -> None:
        self._store = adapter("penstock_adapters.postgres", "PostgresStore")
        initdb, server, self._psql = map(program, ["initdb", "postgres", "psql"])
        super().start()
        self._numbers = count(1)
        self.port = free_port()
        run_as, data = unprivileged(self.directory), str(self.directory / "data")
        make = [initdb, "-D", data, "-U", "penstock", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run([*run_as, *make], cwd=self.directory, check=True, stdout=subprocess.DEVNULL)
        # No fsync: what these tests ask of durability has to outlive a process, not the power.
        options = ["-p", str(self.port), "-h", "127.0.0.1", "-k", str(self.directory), "-c", "fsync=off"]
        self.process = Process([*run_as, server, "-D", data, *options], self.directory)
        self.process.until(lambda: self._ask("SELECT 1") == "1")

    def stop(self) -> None:
        self.process.end()
        super().stop()

    def location(self) -> str:
        name = f"place{next(self._numbers)}"
        self._ask(f"CREATE DATABASE {name}")
        return f"postgresql://penstock@127.0.0.1:{self.port}/{name}"

    def open(self, location: str) -> Store:
        return self._store(location)

    def rows(self, location: str) -> int:
        name = location.rpartition("/")[2]
        tables = self._ask("SELECT relname FROM pg_stat_user_tables", name).split()
        counts = " + ".join(f"(SELECT count(*) FROM {table})" for table in tables)
        return int(self._ask(f"SELECT {counts or 0}", name))

    def contents(self, location: str) -> bytes:
        name = location.rpartition("/")[2]
        tables = self._ask("SELECT relname FROM pg_stat_user_tables", name).split()
        rows = "\n".join(self._ask(f"SELECT each::text FROM {table} AS each", name) for table in tables)
        return re.sub(r"\\\\x([0-9a-f]*)", lambda match: bytes.fromhex(match[1]).decode("latin-1"), rows).encode()

    def _ask(self, sql: str, database: str = "postgres") -> str:
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "penstock", "-d", database]
        run = subprocess.run([self._psql, *where, "-Atqc", sql], capture_output=True, text=True, check=False)
        return run.stdout.strip()


class Dynamo(Engine):
    """A table in a server that has DynamoDB's API. The real one cannot be reached from here."""

    schemes = frozenset({"dynamodb"})

    def start(self) -> None:
        self._client = adapter("botocore.session", "get_session")
        # These servers take one request at a time: what twenty ask at once may wait for longer than AWS ever takes.
        self._times = aws_api.ATTEMPT_S, aws_api.CALL_S
        aws_api.ATTEMPT_S = aws_api.CALL_S = ANSWER_S
        command = self._command()
        super().start()
        self._numbers = count(1)
        self.process = Process([*command, str(self.port)], self.directory)
        self.process.until(lambda: bool(socket.create_connection(("127.0.0.1", self.port), 1).close() is None))

    def _command(self) -> list[str]:
        raise NotImplementedError

    def stop(self) -> None:
        aws_api.ATTEMPT_S, aws_api.CALL_S = self._times
        self.process.end()
        super().stop()

    def location(self) -> str:
        endpoint = f"http://127.0.0.1:{self.port}"
        return f"dynamodb://table{next(self._numbers)}?region=eu-west-1&endpoint={endpoint}"

    def open(self, location: str) -> Store:
        dynamo: Any = adapter("penstock_adapters.dynamodb", "DynamoStore")
        store: Store = dynamo(location, aws_transport, ENVIRONMENT)
        return store

    def rows(self, location: str) -> int:
        return len(self._scan(location))

    def contents(self, location: str) -> bytes:
        return repr(self._scan(location)).encode()

    def _scan(self, location: str) -> list[Any]:
        session: Any = self._client
        client = session().create_client(
            "dynamodb",
            region_name="eu-west-1",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            aws_access_key_id=ENVIRONMENT["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
        )
        pages = client.get_paginator("scan").paginate(TableName=urlsplit(location).netloc, ConsistentRead=True)
        rows = [row for page in pages for row in page["Items"]]
        client.close()
        return rows


class Moto(Dynamo):
    """The server of moto, in Python."""

    name = "moto"
    long_tests = frozenset(
        {
            "test_a_long_log_is_read_in_turns",
            "test_a_page_takes_the_memory_of_a_page",
            "test_a_reader_sees_one_moment",
            "test_a_sweep_is_bounded",
            "test_a_thousand_items_at_once",
            "test_completion_against_cancel_a_thousand_times",
            "test_deleting_leaves_nothing",
            "test_every_engine_does_as_the_model_does",
            "test_items_come_at_the_end_and_in_order",
            "test_many_items_at_once",
            "test_many_wait_and_each_is_woken_by_its_own",
            "test_replicas_share_out_what_waits",
            "test_replicas_sweep_together",
            "test_three_thousand_responses_stay_linear",
            "test_turns_in_one_conversation_follow_each_other",
            "test_who_reads_while_it_is_written_misses_nothing",
        }
    )

    def _command(self) -> list[str]:
        adapter("moto", "mock_aws")
        self.port = free_port()
        return [sys.executable, str(Path(__file__).with_name("moto_server.py"))]


class Dynalite(Dynamo):
    """dynalite, in JavaScript: it shares no code with moto."""

    name = "dynalite"
    long_tests = frozenset({"test_a_long_log_is_read_in_turns"})

    def _command(self) -> list[str]:
        node, script = program("node"), NODE_PROGRAMS / "dynalite" / "cli.js"
        if not script.exists():
            raise Missing("there is no dynalite: make clients")
        self.port = free_port()
        return [node, str(script), "--createTableMs", "0", "--deleteTableMs", "0", "--updateTableMs", "0", "--port"]


class D1(Engine):
    """D1 of Miniflare, and the store in Pyodide. It has one database."""

    name = "d1"
    schemes = frozenset({"d1"})
    long_tests = frozenset(
        {
            "test_a_long_log_is_read_in_turns",
            "test_completion_against_cancel_a_thousand_times",
            "test_three_thousand_responses_stay_linear",
            "test_every_engine_does_as_the_model_does",
        }
    )
    impossible_tests = frozenset({"test_a_large_one"})  # a row has at most 2,000,000 bytes

    def start(self) -> None:
        self._host = shared_host()

    def stop(self) -> None:
        """The host ends with the tests."""

    def location(self) -> str:
        called(self._host, "reset_d1")
        return "d1://DB"

    def open(self, location: str) -> Store:
        return RemoteStore(self._host, "open_d1")

    def rows(self, location: str) -> int:
        return sum(len(rows) for rows in called(self._host, "rows_of_d1"))

    def contents(self, location: str) -> bytes:
        return repr(called(self._host, "rows_of_d1")).encode()


class Kv(D1):
    """KV of Miniflare, and the store in Pyodide. It has one namespace, and stores responses that have ended only."""

    name = "kv"
    schemes = frozenset({"kv"})
    long_tests = frozenset()
    possible_tests = frozenset(
        """
        test_a_chain_of_one test_a_link_that_is_gone_ends_the_chain test_a_ring_ends_at_the_limit test_branches
        test_each_item_once_and_in_order test_more_than_ten_items_keep_their_order test_the_limit
        test_no_more_bytes_of_a_chain_are_read_than_may_be
        test_turns_that_are_known_are_in_the_chain_with_their_items_or_without
        test_a_chain_that_is_too_long test_a_link_that_is_gone_ends_the_list
        test_a_response_without_input_has_an_empty_page test_behind_the_last_item_is_an_empty_page
        test_every_input_item_once_by_pages test_of_an_id_that_comes_again_the_first_counts
        test_a_hundred_at_once test_a_response_that_was_saved_at_its_end_has_ended
        test_a_row_is_not_the_struct_that_came_in_or_went_out test_the_least_response
        test_what_was_saved_is_there_on_every_replica test_stats_count_every_owner
        test_a_check_changes_nothing_and_all_have_one_clock test_a_store_that_was_never_used_closes
        test_many_replicas_start_at_once test_migrating_again_changes_nothing
        test_what_was_acknowledged_before_the_end_is_there
        """.split()
    )

    def location(self) -> str:
        called(self._host, "reset_kv")
        return "kv://KV"

    def open(self, location: str) -> Store:
        return RemoteStore(self._host, "open_kv")

    def rows(self, location: str) -> int:
        return len(called(self._host, "rows_of_kv"))

    def contents(self, location: str) -> bytes:
        return repr(called(self._host, "rows_of_kv")).encode()


ANSWER_S = 60.0
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
NODE_PROGRAMS = Path(__file__).parents[1] / "clients" / "node_modules"

ENGINES: dict[str, type[Engine]] = {
    engine.name: engine for engine in (Memory, Sqlite, Redis, Postgres, Moto, Dynalite, D1, Kv)
}
