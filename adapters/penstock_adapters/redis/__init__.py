"""The store in Redis or Valkey: `redis://`, `rediss://`, `valkey://`, `valkeys://` or `unix://`, by redis-py.

Its data is as durable as the server's settings; a method returns after the server has answered.

* `appendonly yes` with `appendfsync always`: a change is on the disk, and outlives `kill -9` and a power failure.
* `appendonly yes` with `appendfsync everysec`, the default of `appendonly`: a crash of the machine loses about the last
  second, at most two. (A crash of the process may too: during a sync Redis answers before it writes.) A server that
  is stopped in order loses nothing.
* `appendonly no`, Redis' default: a crash of the process loses all changes since the last snapshot.
* A replica that takes over lacks what its primary had not sent yet: replication is asynchronous, and nothing waits.

`maxmemory-policy` must be `noeviction`, Redis' default; with any other, responses are lost before they expire. A full
server then rejects changes with a 503, and its data stays.

It needs one server, or one primary with replicas behind one address. All keys share one hash slot: a cluster works with
one shard, and not with several. A script is atomic on the server; each key has the expiry of its row, so that nothing
outlives it without a sweep, which clears the indexes. Redis 7.0 or newer.
"""

from __future__ import annotations

from .conversations import Conversations
from .events import Events, ResponseLeases
from .maintenance import Maintenance
from .pipeline import Pipeline
from .pubsub import PubSub
from .responses import RedisResponses

__all__ = ["RedisStore"]


class RedisStore(RedisResponses, Events, ResponseLeases, Conversations, Maintenance):
    """A `Store` in the server at a URL. It connects at its first use, and belongs to one event loop."""

    def __init__(self, url: str) -> None:
        self._pipeline = Pipeline(url)
        self._pubsub = PubSub(self._pipeline)
