//! The log of what was done with the box and its pictures: deeds → records, each chained to the one before by its hash.
//!
//! In: a [`Deed`] and who did it. Out: a line in `data_dir/audit/`, and the [`Head`] of the chain, which rides in every event, so that a hub
//! can prove later that a record from before was changed, removed or inserted.
//!
//! Layout:
//! ```text
//! audit/000000000001_2026-11.jsonl   number of the first record and month (UTC); a record a line
//! audit/lock                         held while a record is appended: the agent and the commands of an operator may both
//! ```
//! A record is one JSON object in canonical form (RFC 8785 for the values that occur here: keys sorted, no white space): `action`,
//! `actor`, `detail`, `prev`, `sequence`, `time`, and `hash`, the SHA-256 of the canonical form of all the others. `prev` is the `hash` of
//! the record before; of the first one 64 zeros.
//!
//! Invariants
//! - A record is on the disk before [`AuditLog::append`] returns. What a power cut left half written is cut off, and a record says so.
//! - Records are only appended. Whole files go when their last record is older than is kept, and a record that stays says through which
//!   record the beginning was cut off.
//! - What is recorded names cameras, incidents, commands and operators of the box; nobody who was in front of a camera.
//!
//! What it cannot: whoever may write the folder may write a chain anew from any record on. That shows against a head that left the box
//! before; without one a shortened end is not seen.

mod log;
mod record;
#[cfg(test)]
mod tests;
mod verify;

pub use log::{AuditError, AuditLog, files, folder};
pub use verify::{KnownHead, KnownHeadError, Problem, Report, verify};

use crate::contract::CaseStatus;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use std::fmt;
use uuid::Uuid;

/// The last record of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its number; the first record has 1.
    pub sequence: u64,
    /// Its hash, lower-case hexadecimal.
    pub hash: String,
}

/// A record as people read it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number.
    pub sequence: u64,
    /// When it was written.
    pub time: Timestamp,
    /// Who did it.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// What exactly.
    pub detail: Value,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The agent by itself.
    Agent,
    /// Who may publish at the broker; with the id of the key that signed, if one did.
    Hub(Option<crate::ids::Name>),
    /// Somebody at the box, by the name of the account.
    Operator(String),
    /// Somebody at the console, by the name under which they are signed in; none who is not.
    Console(Option<String>),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent => f.write_str("agent"),
            Self::Hub(None) => f.write_str("hub"),
            Self::Hub(Some(key)) => write!(f, "hub:{key}"),
            Self::Operator(account) => write!(f, "operator:{account}"),
            Self::Console(None) => f.write_str("console"),
            Self::Console(Some(user)) => write!(f, "console:{user}"),
        }
    }
}

/// What was done. The variant is the record's `action`, its fields are the `detail`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "action", content = "detail", rename_all = "snake_case")]
pub enum Deed {
    /// The agent began to run.
    Started {
        /// Its version.
        version: &'static str,
        /// Digest of its configuration.
        config_sha256: String,
    },
    /// It runs with another configuration than before.
    ConfigurationChanged {
        /// Digest of the last one.
        from_sha256: String,
        /// Digest of this one.
        to_sha256: String,
    },
    /// A command of the hub, and what came of it.
    Command {
        /// Its request id.
        #[serde(skip_serializing_if = "Option::is_none")]
        request: Option<String>,
        /// What was asked.
        #[serde(skip_serializing_if = "Option::is_none")]
        verb: Option<String>,
        /// Who it says asks.
        #[serde(skip_serializing_if = "Option::is_none")]
        client: Option<String>,
        /// What exactly, of one that was carried out.
        #[serde(skip_serializing_if = "Option::is_none")]
        args: Option<Value>,
        /// The answer in a word.
        status: &'static str,
        /// The answer's reason.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The hub told of the case that an incident became.
    Case {
        /// The incident, as the message names it.
        incident: Uuid,
        /// How far the case has come; left out of a message that is not understood or not trusted.
        #[serde(skip_serializing_if = "Option::is_none")]
        course: Option<CaseStatus>,
        /// Its number at the hub.
        #[serde(skip_serializing_if = "Option::is_none")]
        number: Option<String>,
        /// The answer in a word.
        status: &'static str,
        /// The answer's reason.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Further commands that were not carried out, too many to record each.
    CommandsRefused {
        /// How many.
        count: u64,
    },
    /// A picture was taken because the hub asked for one; recorded before it can leave.
    Snapshot {
        /// The request id.
        request: String,
        /// The camera.
        camera: String,
        /// The picture.
        evidence: Uuid,
        /// Its SHA-256.
        sha256: String,
    },
    /// A picture was read out of the box by hand, or looked at at the console; recorded before it is.
    PictureOpened {
        /// The picture.
        evidence: Uuid,
        /// Its SHA-256.
        sha256: String,
    },
    /// Somebody signed in at the console with the token.
    SignedIn {
        /// Their address, or that of the proxy before them.
        from: String,
    },
    /// Somebody tried to, with another token.
    SignInRefused {
        /// Their address, or that of the proxy before them.
        from: String,
    },
    /// Somebody signed out.
    SignedOut {},
    /// Somebody began to look at live pictures of a camera at the console; recorded before they see one.
    LiveView {
        /// The camera.
        camera: String,
    },
    /// Somebody wrote the zones of a camera into the configuration.
    ZonesChanged {
        /// The camera.
        camera: String,
        /// The file.
        file: String,
        /// Its digest since.
        sha256: String,
    },
    /// Pictures were deleted.
    PicturesDeleted {
        /// How many.
        count: u64,
        /// Their bytes.
        bytes: u64,
        /// Why: `age`, `bytes` or `space`.
        reason: &'static str,
        /// How many of them somebody was still to have.
        undelivered: u64,
        /// The oldest of them.
        first: Uuid,
        /// The newest of them.
        last: Uuid,
    },
    /// Pictures of the index whose files were gone.
    PicturesMissing {
        /// How many.
        count: u64,
        /// The oldest of them.
        first: Uuid,
        /// The newest of them.
        last: Uuid,
    },
    /// Files of pictures that the index did not know; they are in it now.
    PicturesAdopted {
        /// How many.
        count: u64,
    },
    /// Index and folder of the pictures were brought into step by hand.
    EvidenceRepaired {
        /// How many things were mended.
        mended: u64,
    },
    /// A picture was withheld, since it could not be redacted or not be kept.
    PictureWithheld {
        /// The camera.
        camera: String,
        /// The incident, or the request for a picture.
        subject: String,
        /// Why.
        reason: String,
    },
    /// A clip was withheld, since it could not be redacted, not be encoded or not be kept.
    ClipWithheld {
        /// The camera.
        camera: String,
        /// The incident.
        incident: Uuid,
        /// Why.
        reason: String,
    },
    /// The oldest records were cut off, through this one.
    RecordsCut {
        /// The last record that was cut off.
        through_sequence: u64,
        /// Its hash.
        through_hash: String,
    },
    /// A record that was half written when the box lost its power was cut off.
    TornRecordCut {
        /// Bytes that were cut off.
        bytes: u64,
    },
}
