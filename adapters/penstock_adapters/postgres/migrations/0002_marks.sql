-- Names of which each can be set once, such as the ids of approvals that were used.

CREATE TABLE marks (
    owner text NOT NULL,
    name text NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (owner, name)
);

CREATE INDEX marks_to_sweep ON marks (expires_at);
