//! The messages between agent and hub, as types and as JSON Schema.
