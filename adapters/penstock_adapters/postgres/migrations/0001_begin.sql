-- Responses, conversations, their items and the events of background runs.
-- Times are Unix seconds. Ids and owners are text, bodies are bytes that no query looks into.

CREATE TABLE responses (
    id text PRIMARY KEY,
    owner text NOT NULL,
    status text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    previous_response_id text,
    conversation_id text,
    background boolean NOT NULL,
    body bytea NOT NULL,
    request bytea NOT NULL,
    -- The lease stands in the row of what it guards, so that one UPDATE can compare both.
    fence bigint NOT NULL DEFAULT 0,
    leased_until double precision
);

-- What a replica that looks for work reads. No column of the lease is in an index: a heartbeat touches the row alone.
CREATE INDEX responses_to_run ON responses (created_at, id)
    WHERE background AND status IN ('queued', 'in_progress');
CREATE INDEX responses_to_sweep ON responses (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE response_items (
    response_id text NOT NULL REFERENCES responses ON DELETE CASCADE,
    is_output boolean NOT NULL,
    place integer NOT NULL,
    owner text NOT NULL,
    id text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (response_id, is_output, place)
);

CREATE INDEX response_items_by_id ON response_items (owner, id);

CREATE TABLE events (
    response_id text NOT NULL REFERENCES responses ON DELETE CASCADE,
    first bigint NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (response_id, first)
);

CREATE TABLE conversations (
    id text PRIMARY KEY,
    owner text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    metadata bytea NOT NULL,
    -- Places are given out under the row's lock, so that they become visible in their order.
    next_place bigint NOT NULL DEFAULT 1,
    writer text,
    written_until double precision
) WITH (fillfactor = 80);

CREATE INDEX conversations_to_sweep ON conversations (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE conversation_items (
    conversation_id text NOT NULL REFERENCES conversations ON DELETE CASCADE,
    place bigint NOT NULL,
    owner text NOT NULL,
    id text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (conversation_id, place),
    UNIQUE (conversation_id, id)
);

CREATE INDEX conversation_items_by_id ON conversation_items (owner, id);

-- LZ4 halves a body as the default does, in a tenth of its time; not every server is built with it.
DO $$
BEGIN
    ALTER TABLE responses ALTER body SET COMPRESSION lz4, ALTER request SET COMPRESSION lz4;
    ALTER TABLE response_items ALTER body SET COMPRESSION lz4;
    ALTER TABLE conversation_items ALTER body SET COMPRESSION lz4;
    ALTER TABLE events ALTER data SET COMPRESSION lz4;
EXCEPTION
    WHEN feature_not_supported THEN NULL;
END
$$;
