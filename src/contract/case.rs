//! The course of the case that an incident became at the hub.

use super::command::{CommandError, read_json};
use super::scalars::time_schema;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Topic `case/{incident}`: the course of the case that an incident became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseUpdate {
    /// How far it has come.
    pub status: CaseStatus,
    /// Since when.
    #[schemars(schema_with = "time_schema")]
    pub time: Timestamp,
    /// Its number at the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub number: Option<String>,
}

/// How far a case has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaseStatus {
    /// The hub has it.
    Accepted,
    /// A person confirmed it.
    Verified,
    /// It is on file.
    Filed,
    /// It is none.
    Voided,
    /// Someone is on the way.
    Dispatched,
    /// It was dealt with.
    Handled,
    /// It was looked at afterwards.
    Checked,
    /// It is over.
    Closed,
}

impl CaseStatus {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Verified => "verified",
            Self::Filed => "filed",
            Self::Voided => "voided",
            Self::Dispatched => "dispatched",
            Self::Handled => "handled",
            Self::Checked => "checked",
            Self::Closed => "closed",
        }
    }
}

/// Reads a case.
pub fn read_case(payload: &[u8]) -> Result<CaseUpdate, CommandError> {
    read_json("case", payload)
}
