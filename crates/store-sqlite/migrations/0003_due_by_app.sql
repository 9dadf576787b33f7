-- What is due is claimed app by app, so that a million due deliveries of one app are never read for another.
DROP INDEX delivery_due;
CREATE INDEX delivery_due ON delivery (app_id, due_at, seq, leased) WHERE state = 0;

-- Deliveries of one app and key go one after the other. Those that wait have the largest number as `due_at`.
ALTER TABLE delivery ADD COLUMN order_key TEXT;
CREATE INDEX delivery_in_order ON delivery (app_id, order_key, seq) WHERE state = 0 AND order_key IS NOT NULL;
