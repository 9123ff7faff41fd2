//! The hub's side, for people at a terminal and for tests.
