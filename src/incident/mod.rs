//! From facts to transitions: the life of an incident, `Pending → Open → Clearing → Closed`, with what the hub says of it.
//!
//! In: facts of the scene with their media time, and [`Order`]s. Out: [`Transition`]s, of which the hub is told, and [`Memo`]s, which
//! are remembered over a restart. Performs no I/O and reads no clock.

mod case;
mod course;
mod looks;
mod memory;
mod order;
mod terms;
mod view;

pub use course::Course;
pub use memory::{CLOSED_MEMORY, Dismissal, Memo, Memory};
pub use order::{CannotSee, Order, OrderError, Recheck, RecheckOutcome};
pub use terms::Terms;
pub use view::{CaseStage, CaseView};

use crate::frame::FrameStamp;
use crate::geometry::BBox;
use crate::ids::Name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What happened to an incident that the hub must learn of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The dwell was reached.
    Opened,
    /// A material change: severity, a class joined or left, the extent grew by half.
    Updated,
    /// The hub asked to look again; this is the answer.
    Rechecked,
    /// It is over; [`ClosedReason`] says why.
    Closed,
    /// It was reported in error.
    Withdrawn,
}

impl Phase {
    /// Whether the event of such a change comes with a picture: those that show the thing there, the answer to the hub, and
    /// the place after it.
    #[must_use]
    pub fn has_picture(self) -> bool {
        match self {
            Self::Opened | Self::Updated | Self::Rechecked | Self::Closed => true,
            Self::Withdrawn => false,
        }
    }
}

/// How grave an incident is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For when there is time.
    Low,
    /// For the daily round.
    #[default]
    Normal,
    /// For the next free patrol.
    High,
    /// At once.
    Critical,
}

impl Severity {
    /// Its name in messages and in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Why an incident is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClosedReason {
    /// The thing has gone.
    Gone,
    /// It is permitted from now on: one of the rule's windows began.
    Permitted,
    /// The hub dismissed it.
    Dismissed,
    /// The rule, or the rule's zone, is no longer in the configuration.
    RuleRemoved,
    /// The camera is no longer in the configuration.
    CameraRemoved,
}

/// One object of an incident, as last seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Wall time at which it was closed.
    pub closed_at: Option<jiff::Timestamp>,
    /// Why it was closed.
    #[serde(default)]
    pub closed_reason: Option<ClosedReason>,
    /// How grave it is.
    #[serde(default)]
    pub severity: Severity,
    /// Observed presence, media time.
    pub dwell_secs: f64,
    /// Where it stands; the union of its objects.
    pub bbox: BBox,
    /// The objects of which it consists.
    pub objects: Vec<IncidentObject>,
    /// Sights that were taken for this incident instead of opening another: lost tracks found again, passers-by in
    /// front, reconnects.
    pub suppressed: u32,
    /// The incident that this one continues: the thing came back to its place soon after it had gone.
    #[serde(default)]
    pub continues: Option<Uuid>,
    /// What the hub was last told of its looks.
    #[serde(default)]
    pub told: Told,
}

/// What the hub was last told of a thing's looks; a material change is one from these.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// A class of each association group of which it has one.
    pub classes: Vec<String>,
    /// Area, as a share of the frame.
    pub extent: f32,
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
    /// What was found when looking again; for [`Phase::Rechecked`] alone.
    pub recheck: Option<Recheck>,
}

#[cfg(test)]
mod model_tests;
