//! Outbox rows and state → broker.
