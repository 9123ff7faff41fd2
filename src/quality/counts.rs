//! What each stage did.

use std::sync::{Mutex, PoisonError};

/// A stage, in the order in which the issue of events names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QualityStage {
    /// Sure and large enough.
    Filtering,
    /// A material change.
    Redundancy,
    /// Not permitted, muted or dismissed.
    RuleCheck,
    /// Not the same thing once more.
    Duplicates,
    /// Other incidents at the same place.
    Relation,
    /// What the camera's configuration leaves open.
    Completion,
    /// Nothing in it is wrong.
    ErrorCheck,
    /// What to think of it.
    Quality,
}

impl QualityStage {
    /// Every stage.
    pub const ALL: [Self; 8] = [
        Self::Filtering,
        Self::Redundancy,
        Self::RuleCheck,
        Self::Duplicates,
        Self::Relation,
        Self::Completion,
        Self::ErrorCheck,
        Self::Quality,
    ];

    /// Its name in messages and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filtering => "filtering",
            Self::Redundancy => "redundancy",
            Self::RuleCheck => "rule_check",
            Self::Duplicates => "duplicates",
            Self::Relation => "relation",
            Self::Completion => "completion",
            Self::ErrorCheck => "error_check",
            Self::Quality => "quality",
        }
    }
}

/// What one stage did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Passed as it was.
    pub passed: u64,
    /// Goes no further.
    pub stopped: u64,
    /// Passed with something added or mended.
    pub changed: u64,
}

/// What all stages did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tallies([Tally; QualityStage::ALL.len()]);

impl Tallies {
    /// What a stage did.
    #[must_use]
    pub fn of(&self, stage: QualityStage) -> Tally {
        self.0[stage as usize]
    }

    /// What a stage did, to be counted on.
    pub fn of_mut(&mut self, stage: QualityStage) -> &mut Tally {
        &mut self.0[stage as usize]
    }

    /// Something passed a stage, changed by it or not.
    pub fn count(&mut self, stage: QualityStage, is_changed: bool) {
        let tally = self.of_mut(stage);
        if is_changed {
            tally.changed += 1;
        } else {
            tally.passed += 1;
        }
    }

    /// Counts what others did as well.
    pub fn add(&mut self, more: &Self) {
        for (tally, more) in self.0.iter_mut().zip(&more.0) {
            tally.passed += more.passed;
            tally.stopped += more.stopped;
            tally.changed += more.changed;
        }
    }
}

/// What all stages did since the program started; shared by threads, each of which holds the lock for a few additions.
#[derive(Debug, Default)]
pub struct Counts(Mutex<Tallies>);

impl Counts {
    /// Counts.
    pub fn add(&self, tallies: &Tallies) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(tallies);
    }

    /// What was counted so far.
    #[must_use]
    pub fn total(&self) -> Tallies {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
