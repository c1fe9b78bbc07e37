"""The ports: what the engine needs of the world, as protocols, and the plain structs that pass through them.

Who implements a port is chosen in `penstock.assembly`; nothing here does anything.
"""

from __future__ import annotations

from .prompts import PromptBroken, Prompts, PromptTemplate
from .sealing import Sealer
from .store import (
    ENDED,
    ChainTooLong,
    Claim,
    ConversationStore,
    EventBatch,
    EventLog,
    ItemPage,
    Leases,
    ResponseStore,
    Store,
    StoredConversation,
    StoredItem,
    StoredResponse,
    TooManyBytes,
)
from .upstream import (
    FRAMING_HEADERS,
    AttemptFailed,
    CachedOffers,
    Choice,
    Decoder,
    Deltas,
    Destination,
    Dialect,
    EncodedText,
    Exchange,
    Headers,
    Health,
    HttpReply,
    HttpRequest,
    NoFreeConnection,
    PassthroughRequest,
    RequestRejected,
    Tls,
    Transport,
    TransportError,
    Turn,
    Upstream,
)
