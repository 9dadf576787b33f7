-- Apps as JSON: they are few, always read whole, and kept in memory by the platform.
CREATE TABLE app (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

CREATE TABLE binding (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    app_id TEXT NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE resource_subscription (
    app_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    resource TEXT NOT NULL,
    PRIMARY KEY (app_id, event_type, resource)
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
    name TEXT PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- `seq` is the order of acceptance. A rowid table with a unique index takes writes several times faster than a table
-- without rowid.
CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    event_type TEXT NOT NULL,
    tenant_key TEXT,
    create_time INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    digest BLOB NOT NULL,
    payload BLOB NOT NULL
) STRICT;
CREATE INDEX event_by_type ON event (event_type, seq);

-- `state`: 0 pending, 1 delivered, 2 dead. `due_at` is the end of the lease while `leased` is 1.
CREATE TABLE delivery (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    event_seq INTEGER NOT NULL REFERENCES event (seq),
    app_id TEXT NOT NULL,
    withheld TEXT,
    state INTEGER NOT NULL,
    leased INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    generation INTEGER NOT NULL
) STRICT;
CREATE INDEX delivery_due ON delivery (due_at) WHERE state = 0;
CREATE INDEX delivery_dead ON delivery (id) WHERE state = 2;
CREATE INDEX delivery_by_event ON delivery (event_seq);
CREATE INDEX delivery_by_app ON delivery (app_id, id);

CREATE TABLE attempt (
    seq INTEGER PRIMARY KEY,
    delivery_seq INTEGER NOT NULL REFERENCES delivery (seq),
    number INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    mode TEXT NOT NULL,
    target TEXT NOT NULL,
    code INTEGER,
    took_us INTEGER NOT NULL,
    answer BLOB NOT NULL,
    error TEXT
) STRICT;
CREATE INDEX attempt_by_delivery ON attempt (delivery_seq, number);
