//! What `health` says of deliveries by HTTP.

use super::scalars::WallTime;
use super::state::EventsLost;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What goes by HTTP to a server besides the hub; the counters are since the program started, unless they say otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpHealth {
    /// Messages on disk that the server has not taken.
    pub backlog: u64,
    /// Their bytes.
    pub backlog_bytes: u64,
    /// Since when the oldest of them waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<WallTime>,
    /// Requests made, repetitions included.
    pub requests: u64,
    /// Messages that the server took.
    pub taken: u64,
    /// Requests that came to nothing; their messages are kept and sent again.
    pub failures: u64,
    /// Messages that the server refused for good; left out if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "RejectedMessages")]
    pub rejected: Option<RejectedMessages>,
    /// Events that were dropped before the server had them, since the outbox was full, ever; left out if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "EventsLost")]
    pub events_lost: Option<EventsLost>,
    /// Why nothing gets through, while that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "HttpTrouble")]
    pub trouble: Option<HttpTrouble>,
}

/// Messages that a server refused for good. They are not sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RejectedMessages {
    /// How many, ever.
    pub count: u64,
    /// What the server said of the last of them.
    pub reason: String,
}

/// Why a server takes nothing. It ends with the next message that is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpTrouble {
    /// What.
    pub trouble: HttpTroubleKind,
    /// Since when.
    pub since: WallTime,
    /// How often it was met.
    pub count: u64,
    /// The last time, in words without any secret.
    pub detail: String,
}

/// Why a server takes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HttpTroubleKind {
    /// No answer: no connection, a broken one, or none in time.
    Unreachable,
    /// It asks to come later.
    Busy,
    /// It has an error of its own.
    Failing,
    /// It wants other credentials.
    NotAuthorised,
    /// There is nothing at this address that takes messages.
    WrongAddress,
    /// The request cannot be made: a secret or certificate cannot be read.
    Unready,
}

impl HttpTroubleKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Unreachable, Self::Busy, Self::Failing, Self::NotAuthorised, Self::WrongAddress, Self::Unready];

    /// Name in messages and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Busy => "busy",
            Self::Failing => "failing",
            Self::NotAuthorised => "not_authorised",
            Self::WrongAddress => "wrong_address",
            Self::Unready => "unready",
        }
    }

    /// Whether it lasts until a person does something.
    #[must_use]
    pub fn needs_a_person(self) -> bool {
        match self {
            Self::NotAuthorised | Self::WrongAddress | Self::Unready => true,
            Self::Unreachable | Self::Busy | Self::Failing => false,
        }
    }
}
