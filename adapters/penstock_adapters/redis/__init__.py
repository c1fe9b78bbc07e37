"""The store in Redis or Valkey: `redis://`, `rediss://`, `valkey://`, `valkeys://` or `unix://`, by redis-py.

What it holds is as durable as the server's own settings say; a method has returned from what the server has answered.

* `appendonly yes` with `appendfsync always`: it is on the disk, and outlives `kill -9` and the power.
* `appendonly yes` with `appendfsync everysec`, Redis' default for it: about the last second goes with a server that
  dies, two at the worst. (Also with its process alone: while it syncs, Redis answers before it writes.) A server that
  is stopped in order loses nothing.
* `appendonly no`, Redis' own default: what came after the last snapshot goes with the process.
* A replica that takes over lacks what its primary had not sent yet: replication is asynchronous, and nothing waits.

`maxmemory-policy` has to be `noeviction`, Redis' default; any other forgets responses before their time. A server that
is full refuses with a 503 then, and what is there stays.

It stands in front of one server, or one primary with replicas behind one address. All keys share one hash slot: a
cluster of one shard serves too, one of several does not. A script is one step of the server; each key has the expiry
of its row, so that nothing outlives it without a sweep, which clears the indexes. Redis 7.0 or newer.
"""

from __future__ import annotations

from .conversations import Conversations
from .events import Events, ResponseLeases
from .maintenance import Upkeep
from .pipeline import Link
from .pubsub import Wakeups
from .responses import RedisResponses

__all__ = ["RedisStore"]


class RedisStore(RedisResponses, Events, ResponseLeases, Conversations, Upkeep):
    """A `Store` in the server at a URL. It connects when it is first asked, and belongs to one event loop."""

    def __init__(self, url: str) -> None:
        self._link = Link(url)
        self._wakeups = Wakeups(self._link)
