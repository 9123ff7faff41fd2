//! How a case stands, for people who ask why it was reported, or not.

use crate::geometry::BBox;
use crate::ids::Name;
use jiff::Timestamp;
use std::time::Duration;
use uuid::Uuid;

/// One thing at one place, as a rule follows it.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseView {
    /// How far it has come.
    pub stage: CaseStage,
    /// The zone in which it stands.
    pub zone: Name,
    /// Where it stands.
    pub bbox: BBox,
    /// Classes of its objects.
    pub classes: Vec<String>,
    /// Observed presence.
    pub presence: Duration,
    /// Presence from which it is reported.
    pub dwell: Duration,
    /// Presence for which what is with it was as the rule asks, and what is needed of it.
    pub as_asked: Duration,
    /// Of [`Self::as_asked`].
    pub as_asked_needed: Duration,
    /// Observed absence since it was last seen.
    pub unseen: Duration,
}

/// How far a case has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaseStage {
    /// On its way to be reported.
    Pending,
    /// It would have been reported, but the rule is muted.
    Muted {
        /// Until when.
        until: Option<Timestamp>,
    },
    /// Reported, and there.
    Open {
        /// The incident.
        incident: Uuid,
    },
    /// Reported, and missed.
    Clearing {
        /// The incident.
        incident: Uuid,
        /// Absence after which it is closed.
        clear: Duration,
    },
    /// Reported, and nobody has looked since an interruption.
    Stale {
        /// The incident.
        incident: Uuid,
    },
    /// The hub does not want to hear of it.
    Dismissed {
        /// The incident.
        incident: Uuid,
        /// Until when.
        until: Timestamp,
    },
}
