"""The ports: protocols for everything that the engine needs from outside, and the structs that they use.

`penstock.assembly` chooses the implementations. Nothing here has any behaviour.
"""

from __future__ import annotations

from .background import BackgroundRunner
from .hosted_tools import (
    Cite,
    DeclaredTool,
    HostedFunction,
    HostedTool,
    ItemDelta,
    Outcome,
    ToolCall,
    ToolReply,
    ToolRequest,
    ToolSession,
)
from .outlet import DirectSource, Outlet
from .prompts import PromptBroken, Prompts, PromptTemplate
from .sealing import Sealer
from .siblings import NoSiblings, SiblingReply, Siblings
from .store import (
    ENDED,
    ChainTooLong,
    Claim,
    ConversationStore,
    EventBatch,
    EventLog,
    ItemPage,
    Leases,
    Marks,
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
    Connect,
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
    SharedRequest,
    Tls,
    Transport,
    TransportError,
    Turn,
    Upstream,
)
from .web import (
    Extractor,
    Page,
    PageContent,
    PageFailed,
    PageReader,
    PageText,
    SearchEngine,
    SearchFailed,
    SearchQuery,
    SearchResult,
)
