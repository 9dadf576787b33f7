-- Each tree that a row is in costs a page of every commit. A delivery is found by its id, so that this is its key; a number
-- and an index of ids were two trees. And the attempts of a delivery are few: each names the one before it, and the delivery
-- the last one, so that they need no index.
CREATE TABLE delivery_anew (
    id BLOB PRIMARY KEY,
    event_seq INTEGER NOT NULL REFERENCES event (seq),
    app_id TEXT NOT NULL,
    withheld TEXT,
    state INTEGER NOT NULL,
    leased INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    order_key TEXT,
    last_attempt INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO delivery_anew
    SELECT id, event_seq, app_id, withheld, state, leased, due_at, attempts, generation, order_key,
        (SELECT seq FROM attempt WHERE delivery_seq = delivery.seq ORDER BY number DESC, seq DESC LIMIT 1)
    FROM delivery ORDER BY id;

CREATE TABLE attempt_anew (
    seq INTEGER PRIMARY KEY,
    delivery_id BLOB NOT NULL REFERENCES delivery (id),
    previous INTEGER,
    number INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    mode TEXT NOT NULL,
    target TEXT NOT NULL,
    code INTEGER,
    took_us INTEGER NOT NULL,
    answer BLOB NOT NULL,
    error TEXT
) STRICT;
INSERT INTO attempt_anew
    SELECT a.seq, d.id, lag(a.seq) OVER (PARTITION BY a.delivery_seq ORDER BY a.number, a.seq),
        a.number, a.started_at, a.mode, a.target, a.code, a.took_us, a.answer, a.error
    FROM attempt AS a JOIN delivery AS d ON d.seq = a.delivery_seq;

DROP TABLE attempt;
DROP TABLE delivery;
ALTER TABLE delivery_anew RENAME TO delivery;
ALTER TABLE attempt_anew RENAME TO attempt;
CREATE INDEX delivery_due ON delivery (app_id, due_at, event_seq, leased) WHERE state = 0;
CREATE INDEX delivery_in_order ON delivery (app_id, order_key, event_seq) WHERE state = 0 AND order_key IS NOT NULL;
CREATE INDEX delivery_dead ON delivery (id) WHERE state = 2;
CREATE INDEX delivery_by_event ON delivery (event_seq, id);
CREATE INDEX delivery_by_app ON delivery (app_id, id);
