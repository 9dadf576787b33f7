-- The log is read by time: the number of an event would do only if no clock were ever set back. With type and tenant in
-- it, the index alone answers most questions; new entries always go to its end, which is cheap.
CREATE INDEX event_by_time ON event (accepted_at, seq, event_type, tenant_key);
DROP INDEX event_by_type;
CREATE INDEX event_by_type ON event (event_type, accepted_at);
