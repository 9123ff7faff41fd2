//! Tracks → facts about zones.
