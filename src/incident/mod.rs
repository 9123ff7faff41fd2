//! From facts to transitions: the life of an incident, `Pending → Open → Clearing → Closed`.
//!
//! In: facts of the scene with their media time. Out: [`Transition`]s. Performs no I/O and reads no clock.

mod course;

pub use course::{Course, Limits};

use crate::frame::FrameStamp;
use crate::geometry::BBox;
use crate::ids::Name;
use uuid::Uuid;

/// What happened to an incident that the hub must learn of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The dwell was reached.
    Opened,
    /// A material change: severity, a class joined or left, the extent grew by half.
    Updated,
    /// The hub asked to look again; this is the answer.
    Rechecked,
    /// The thing has gone.
    Closed,
    /// It was reported in error.
    Withdrawn,
}

impl Phase {
    /// Whether the event of such a change comes with a picture.
    #[must_use]
    pub fn has_picture(self) -> bool {
        match self {
            Self::Opened => true,
            Self::Updated | Self::Rechecked | Self::Closed | Self::Withdrawn => false,
        }
    }
}

/// One object of an incident, as last seen.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct IncidentObject {
    /// Class name of the model.
    pub class: String,
    /// Best confidence in the recent past, 0..=1.
    pub confidence: f32,
    /// Where it stands.
    pub bbox: BBox,
    /// For how long it has not moved, media time.
    pub stationary_secs: f64,
}

/// An incident as it stands after a transition. Everything the store and the event need, nothing about delivery.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Incident {
    /// Stable over its whole life.
    pub id: Uuid,
    /// The rule that found it.
    pub rule: Name,
    /// The zone in which it stands.
    pub zone: Name,
    /// Counts transitions from 0.
    pub revision: u32,
    /// Wall time of its first sight, before the dwell.
    pub first_seen: jiff::Timestamp,
    /// Wall time at which the dwell was reached.
    pub confirmed_at: jiff::Timestamp,
    /// Wall time at which it was last seen.
    pub last_seen: jiff::Timestamp,
    /// Wall time at which it was found gone.
    pub closed_at: Option<jiff::Timestamp>,
    /// Observed presence, media time.
    pub dwell_secs: f64,
    /// Where it stands; the union of its objects.
    pub bbox: BBox,
    /// The objects of which it consists.
    pub objects: Vec<IncidentObject>,
    /// Sights that were taken for this incident instead of opening another: lost tracks found again, passers-by in
    /// front, reconnects.
    pub suppressed: u32,
}

/// An incident changed, at this frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// What happened.
    pub phase: Phase,
    /// The frame at which it was noticed.
    pub at: FrameStamp,
    /// The incident after the change.
    pub incident: Incident,
}
