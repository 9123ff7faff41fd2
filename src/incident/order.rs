//! The hub's words to the engine of a camera, and the answer to a request to look again.

use crate::ids::Name;
use crate::picture::PictureState;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// What the hub asks of a camera. Asking twice does no more than asking once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// This is no incident: close it, and do not report that thing at that place again until it changes or the time has come.
    Dismiss {
        /// Open, or closed within the last day.
        incident: Uuid,
        /// Wall time.
        until: Timestamp,
    },
    /// Report nothing new of a rule until the time has come.
    Mute {
        /// The rule.
        rule: Name,
        /// Wall time; one that has passed ends it.
        until: Timestamp,
    },
    /// Watch closely for a while, and say whether the thing is there.
    Recheck {
        /// Open, or closed within the last day.
        incident: Uuid,
        /// For how long to look.
        look_for: Duration,
    },
}

/// Why an order was not carried out; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// No incident of that id.
    #[error("failed to find the incident at this camera: it is not open and was not closed within the last day")]
    UnknownIncident,
    /// No rule of that name.
    #[error("failed to find the rule at this camera")]
    UnknownRule,
    /// As many requests to look again wait as are allowed.
    #[error("failed to take another request to look again: {0} wait already")]
    TooMany(usize),
    /// Nothing is analysed any more.
    #[error("failed to pass the order on: the agent is stopping")]
    Stopping,
}

/// The answer to a request to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recheck {
    /// What was found.
    pub outcome: RecheckOutcome,
    /// Why nothing could be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<CannotSee>,
}

/// What was found when looking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecheckOutcome {
    /// Nothing of the kind stands there.
    Cleared,
    /// It stands there.
    Persisting,
    /// The place could not be looked at for half of the time.
    CannotSee,
}

/// Why a place could not be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CannotSee {
    /// The camera sends no pictures, or too few.
    NoPicture,
    /// The picture is too dark.
    Dark,
    /// The picture is too bright.
    Bright,
    /// The picture is not sharp.
    Blurred,
    /// Something is before the lens.
    Covered,
    /// The same picture comes again and again.
    Frozen,
    /// The camera looks elsewhere.
    Moved,
    /// The picture is damaged.
    Corrupt,
    /// Something fills most of the picture; what, is not certain yet.
    Unclear,
}

impl From<PictureState> for CannotSee {
    fn from(state: PictureState) -> Self {
        match state {
            PictureState::Ok => Self::Unclear,
            PictureState::Dark => Self::Dark,
            PictureState::Bright => Self::Bright,
            PictureState::Blurred => Self::Blurred,
            PictureState::Covered => Self::Covered,
            PictureState::Frozen => Self::Frozen,
            PictureState::Moved => Self::Moved,
            PictureState::Corrupt => Self::Corrupt,
        }
    }
}
