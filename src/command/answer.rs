//! What came of a request, as it is stored and told.

use crate::contract::{Evidence, HeldPictures, Replayed, ReplyStatus};
use serde::{Deserialize, Serialize};

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// In a word.
    pub status: ReplyStatus,
    /// Why it was not carried out.
    pub reason: Option<String>,
    /// The picture that was taken.
    pub evidence: Option<Box<Evidence>>,
    /// The events that are sent again.
    pub replay: Option<Replayed>,
    /// The pictures that are held, or were.
    #[serde(default)]
    pub hold: Option<HeldPictures>,
}

impl Outcome {
    /// It was carried out.
    #[must_use]
    pub fn ok() -> Self {
        Self { status: ReplyStatus::Ok, reason: None, evidence: None, replay: None, hold: None }
    }

    /// It is not one that can be carried out; nothing was changed.
    #[must_use]
    pub fn rejected(reason: impl Into<String>) -> Self {
        Self { status: ReplyStatus::Rejected, reason: Some(reason.into()), ..Self::ok() }
    }

    /// It could not be carried out.
    #[must_use]
    pub fn failed(reason: impl Into<String>) -> Self {
        Self { status: ReplyStatus::Failed, reason: Some(reason.into()), ..Self::ok() }
    }
}
