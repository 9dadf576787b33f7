-- AUTOINCREMENT reads and writes a table of its own with every event, so that a number is never used twice. Nothing needs
-- that: what refers to an event goes with it, and places in the log begin with the time.
CREATE TABLE event_anew (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    event_type TEXT NOT NULL,
    tenant_key TEXT,
    create_time INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    digest BLOB NOT NULL,
    payload BLOB NOT NULL
) STRICT;
INSERT INTO event_anew SELECT seq, id, event_type, tenant_key, create_time, accepted_at, digest, payload FROM event;
DROP TABLE event;
ALTER TABLE event_anew RENAME TO event;
CREATE INDEX event_by_time ON event (accepted_at, seq, event_type, tenant_key);
CREATE INDEX event_by_type ON event (event_type, accepted_at);
