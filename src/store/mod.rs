//! Incidents, outbox and evidence index in SQLite.
