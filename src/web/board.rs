//! What the agent last said of itself.

use crate::clock::Mono;
use crate::contract::{CameraStatus, Health};
use crate::ids::Name;
use crate::ingest::IngestStats;
use crate::picture::PictureState;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the agent last said of itself; written by its main loop, read by every request.
#[derive(Debug, Default)]
pub struct Board(Mutex<Facts>);

impl Board {
    /// What is on it; held for as long as it takes to read.
    pub fn read(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces what is known of the cameras.
    pub fn set_cameras(&self, cameras: Vec<CameraFacts>) {
        self.read().cameras = cameras;
    }

    /// Replaces what is known of the agent as a whole.
    pub fn set_health(&self, health: Health, open: Vec<OpenIncidents>, now: Mono) {
        let mut facts = self.read();
        (facts.health, facts.open, facts.told_at) = (Some(health), open, Some(now));
    }
}

/// What is on the board.
#[derive(Debug, Default)]
pub struct Facts {
    /// The agent as a whole, as the hub was told; none before it was told the first time.
    pub health: Option<Health>,
    /// When that was.
    pub told_at: Option<Mono>,
    /// Every camera of the configuration.
    pub cameras: Vec<CameraFacts>,
    /// What is open, of every rule that has had something open.
    pub open: Vec<OpenIncidents>,
}

/// A camera.
#[derive(Debug, Clone)]
pub struct CameraFacts {
    /// As the hub was told.
    pub status: CameraStatus,
    /// How its picture is; none before the first frame.
    pub picture: Option<PictureState>,
    /// What came of its stream.
    pub stats: IngestStats,
    /// Frames judged so far, inferred or found unchanged.
    pub judged: u64,
    /// Frames inferred so far.
    pub inferred: u64,
}

/// What is open at a camera by a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenIncidents {
    /// The camera.
    pub camera: Name,
    /// The rule.
    pub rule: Name,
    /// How many.
    pub count: usize,
    /// Whether the camera gives no pictures, so that nobody knows.
    pub is_stale: bool,
}
