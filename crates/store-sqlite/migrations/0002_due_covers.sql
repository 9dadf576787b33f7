-- With `leased` in the index, a node that starts finds its old leases without looking up every row that is due; with
-- `seq`, those due at the same time are in the order they were accepted.
DROP INDEX delivery_due;
CREATE INDEX delivery_due ON delivery (due_at, seq, leased) WHERE state = 0;
