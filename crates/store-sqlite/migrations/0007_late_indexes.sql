-- A lease that an event was accepted with is in no index while it is fresh (`leased` is 2): most are settled within
-- milliseconds, and the index would be written twice for nothing. Fresh are only deliveries with ids after this one.
CREATE TABLE fresh (after BLOB NOT NULL) STRICT;
INSERT INTO fresh SELECT coalesce((SELECT id FROM delivery ORDER BY id DESC LIMIT 1), zeroblob(16));
DROP INDEX delivery_due;
CREATE INDEX delivery_due ON delivery (app_id, due_at, event_seq, leased) WHERE state = 0 AND leased < 2;

-- The newest event ids are in no index either, but in memory, as fingerprints, and are written here in the order of those:
-- each as it comes would take a page of its own. Of events with lesser numbers than this every one is here.
CREATE TABLE event_print (
    print INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (print, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE printed (before INTEGER NOT NULL, key BLOB NOT NULL) STRICT;
INSERT INTO printed VALUES (0, randomblob(16));

-- The deliveries of an event have ids that follow each other, so that the first and the last one find them without an
-- index. Of a type are few questions, which the order of time answers too: a page looks at so many rows, whatever is asked.
CREATE TABLE event_anew (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    tenant_key TEXT,
    create_time INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    first_delivery BLOB,
    last_delivery BLOB,
    digest BLOB NOT NULL,
    payload BLOB NOT NULL
) STRICT;
INSERT INTO event_anew
    SELECT seq, id, event_type, tenant_key, create_time, accepted_at,
        (SELECT min(id) FROM delivery WHERE event_seq = event.seq),
        (SELECT max(id) FROM delivery WHERE event_seq = event.seq),
        digest, payload
    FROM event;
DROP TABLE event;
ALTER TABLE event_anew RENAME TO event;
CREATE INDEX event_by_time ON event (accepted_at, seq, event_type, tenant_key);
DROP INDEX delivery_by_event;
