//! Staged footage with known truth.
