//! What the hub asks of an agent, and the answers.
//!
//! These are the only messages that come from outside: every type refuses an unknown property, every text has a bound, and there
//! is no free text. [`read_command`] and [`read_case`](super::read_case) are the border.

use super::event_types::Evidence;
use super::scalars::{WallTime, time_schema, uuid_schema};
use super::validation::first_mistake;
use crate::ids::Name;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// Largest command or case that is read.
pub const MAX_COMMAND_BYTES: usize = 16 << 10;

/// What a [`RequestId`] may look like, as a regular expression.
const REQUEST_ID_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$";

/// Names a request: chosen by the hub, and the same at every delivery of the request.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestId(String);

/// The text is no request id.
#[derive(Debug, thiserror::Error)]
#[error("a request id is 1 to 64 letters, digits, '.', '_', ':' or '-', beginning with a letter or digit")]
pub struct RequestIdError;

impl RequestId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RequestId {
    type Error = RequestIdError;
    fn try_from(text: String) -> Result<Self, RequestIdError> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
        let good = (1..=64).contains(&text.len())
            && text.chars().all(legal)
            && text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if good { Ok(Self(text)) } else { Err(RequestIdError) }
    }
}

impl From<RequestId> for String {
    fn from(id: RequestId) -> Self {
        id.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for RequestId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RequestId".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "pattern": REQUEST_ID_PATTERN,
            "description": "Chosen by the hub, and the same at every delivery of the request"
        })
    }
}

/// What can be asked: the last level of the topic `cmd/{verb}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Look again at an incident.
    Recheck,
    /// Take a picture.
    Snapshot,
    /// Switch a camera off or on.
    Camera,
    /// Mute a rule until a time, or end that.
    Rule,
    /// What a person found of an incident.
    Feedback,
    /// Read the configuration again.
    Reload,
    /// Send events again.
    Replay,
    /// Send the state topics again.
    Status,
    /// Keep the pictures of an incident.
    Hold,
    /// End that.
    Release,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 10] = [
        Self::Recheck,
        Self::Snapshot,
        Self::Camera,
        Self::Rule,
        Self::Feedback,
        Self::Reload,
        Self::Replay,
        Self::Status,
        Self::Hold,
        Self::Release,
    ];

    /// Its name in topics and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recheck => "recheck",
            Self::Snapshot => "snapshot",
            Self::Camera => "camera",
            Self::Rule => "rule",
            Self::Feedback => "feedback",
            Self::Reload => "reload",
            Self::Replay => "replay",
            Self::Status => "status",
            Self::Hold => "hold",
            Self::Release => "release",
        }
    }

    /// The verb of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == name)
    }
}

/// Topic `cmd/{verb}`: a request with the arguments of its verb.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command<A> {
    /// Names the request: delivered twice, it acts once, and gets the same answer.
    pub id: RequestId,
    /// Who asks: without a response topic (MQTT 5) the answer goes to `reply/{client}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Name>,
    /// When it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub issued_at: Option<Timestamp>,
    /// From when on it must not be carried out any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub expires_at: Option<Timestamp>,
    /// What exactly.
    pub args: A,
}

/// Arguments of `recheck`: the answer comes as an event, `curbwatch.incident.rechecked`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecheckArgs {
    /// Open, or closed within the last day.
    #[schemars(schema_with = "uuid_schema")]
    pub incident: Uuid,
    /// For how many seconds to look.
    #[serde(default = "default_look_secs")]
    #[schemars(range(min = *LOOK_SECS.start(), max = *LOOK_SECS.end()))]
    pub look_secs: u16,
}

/// For how long the hub may have a camera look.
const LOOK_SECS: std::ops::RangeInclusive<u16> = 2..=120;

fn default_look_secs() -> u16 {
    10
}

/// Arguments of `snapshot`: the picture is redacted, and sent before the answer, which has its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotArgs {
    /// The camera.
    pub camera: Name,
    /// The incident for which it is taken: it is outlined, and the picture goes with its others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "uuid_schema")]
    pub incident: Option<Uuid>,
}

/// Arguments of `camera`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraArgs {
    /// The camera.
    pub camera: Name,
    /// Whether it is watched from now on; holds over restarts.
    pub enabled: bool,
}

/// Arguments of `rule`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleArgs {
    /// The camera.
    pub camera: Name,
    /// The rule.
    pub rule: Name,
    /// Until when nothing new of it is reported; null ends that.
    #[schemars(schema_with = "time_or_null_schema")]
    #[serde(deserialize_with = "Option::deserialize")]
    pub muted_until: Option<Timestamp>,
}

fn time_or_null_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": ["string", "null"], "format": "date-time"})
}

/// Arguments of `feedback`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedbackArgs {
    /// The incident.
    #[schemars(schema_with = "uuid_schema")]
    pub incident: Uuid,
    /// What a person found.
    pub verdict: FeedbackVerdict,
    /// Why it was dismissed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<FeedbackReason>,
    /// For how long a dismissed thing is not reported again while it stands there; a day, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub until: Option<Timestamp>,
}

/// What a person found of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackVerdict {
    /// It is as reported.
    Confirmed,
    /// It is not: an open incident is closed, and the thing not reported again for a while.
    Dismissed,
}

/// Why an incident was dismissed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackReason {
    /// Nothing of the kind is there.
    NothingThere,
    /// It is something else.
    OtherKind,
    /// It may be there.
    Permitted,
    /// It was reported before.
    Duplicate,
    /// Something else.
    Other,
}

impl FeedbackReason {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NothingThere => "nothing_there",
            Self::OtherKind => "other_kind",
            Self::Permitted => "permitted",
            Self::Duplicate => "duplicate",
            Self::Other => "other",
        }
    }
}

/// Arguments of `replay`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayArgs {
    /// The first event that is sent again, by its sequence.
    pub from: u64,
    /// The last; all that were sent, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
}

/// Arguments of `hold`: the pictures of the incident, those to come too, are not deleted, whatever their age and however full the disk is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldArgs {
    /// The incident: open, or one of which there are pictures still.
    #[schemars(schema_with = "uuid_schema")]
    pub incident: Uuid,
    /// Until when; until it is released, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time_schema")]
    pub until: Option<Timestamp>,
}

/// Arguments of `release`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseArgs {
    /// The incident.
    #[schemars(schema_with = "uuid_schema")]
    pub incident: Uuid,
}

/// Arguments of `reload` and `status`: there are none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoArgs {}

/// What a request asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Request {
    /// `recheck`
    Recheck(RecheckArgs),
    /// `snapshot`
    Snapshot(SnapshotArgs),
    /// `camera`
    Camera(CameraArgs),
    /// `rule`
    Rule(RuleArgs),
    /// `feedback`
    Feedback(FeedbackArgs),
    /// `reload`
    Reload,
    /// `replay`
    Replay(ReplayArgs),
    /// `status`
    Status,
    /// `hold`
    Hold(HoldArgs),
    /// `release`
    Release(ReleaseArgs),
}

impl Request {
    /// What is asked, in a word.
    #[must_use]
    pub fn verb(&self) -> Verb {
        match self {
            Self::Recheck(_) => Verb::Recheck,
            Self::Snapshot(_) => Verb::Snapshot,
            Self::Camera(_) => Verb::Camera,
            Self::Rule(_) => Verb::Rule,
            Self::Feedback(_) => Verb::Feedback,
            Self::Reload => Verb::Reload,
            Self::Replay(_) => Verb::Replay,
            Self::Status => Verb::Status,
            Self::Hold(_) => Verb::Hold,
            Self::Release(_) => Verb::Release,
        }
    }
}

/// A message of the hub that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Larger than [`MAX_COMMAND_BYTES`].
    #[error("it has {0} bytes, and at most {MAX_COMMAND_BYTES} are read")]
    TooLarge(usize),
    /// Not as its schema says.
    #[error("it is not as its schema says: {0}")]
    Malformed(String),
}

/// Reads the command of a verb: as the type, and as the published schema says, which knows ranges and formats besides.
pub fn read_command(verb: Verb, payload: &[u8]) -> Result<Command<Request>, CommandError> {
    fn read<A: DeserializeOwned>(
        verb: Verb,
        payload: &[u8],
        request: impl Fn(A) -> Request,
    ) -> Result<Command<Request>, CommandError> {
        let message = format!("command-{}", verb.as_str());
        let Command { id, client, issued_at, expires_at, args } = read_json::<Command<A>>(&message, payload)?;
        Ok(Command { id, client, issued_at, expires_at, args: request(args) })
    }
    match verb {
        Verb::Recheck => read(verb, payload, Request::Recheck),
        Verb::Snapshot => read(verb, payload, Request::Snapshot),
        Verb::Camera => read(verb, payload, Request::Camera),
        Verb::Rule => read(verb, payload, Request::Rule),
        Verb::Feedback => read(verb, payload, Request::Feedback),
        Verb::Reload => read(verb, payload, |NoArgs {}| Request::Reload),
        Verb::Replay => read(verb, payload, Request::Replay),
        Verb::Status => read(verb, payload, |NoArgs {}| Request::Status),
        Verb::Hold => read(verb, payload, Request::Hold),
        Verb::Release => read(verb, payload, Request::Release),
    }
}

/// Reads a message of that name.
pub(super) fn read_json<T: DeserializeOwned>(message: &str, payload: &[u8]) -> Result<T, CommandError> {
    if payload.len() > MAX_COMMAND_BYTES {
        return Err(CommandError::TooLarge(payload.len()));
    }
    let malformed = |error: serde_json::Error| CommandError::Malformed(error.to_string());
    let read = serde_json::from_slice(payload).map_err(malformed)?;
    let value = serde_json::from_slice(payload).map_err(malformed)?;
    first_mistake(message, &value).map_or(Ok(read), |mistake| Err(CommandError::Malformed(mistake)))
}

/// Id and client of a command that cannot be used, as far as they can be read: whom to tell so.
#[must_use]
pub fn sender_of(payload: &[u8]) -> (Option<RequestId>, Option<Name>) {
    let within = payload.len() <= MAX_COMMAND_BYTES;
    let value: Option<serde_json::Value> = within.then(|| serde_json::from_slice(payload).ok()).flatten();
    let text = |key: &str| value.as_ref().and_then(|value| value.get(key)?.as_str().map(str::to_owned));
    (text("id").and_then(|id| id.try_into().ok()), text("client").and_then(|client| Name::try_new(client).ok()))
}

/// Topics `cmd/{verb}` and `case/{incident}` of an agent that has keys: the same message, signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedMessage {
    /// Which of `hub.commands.keys` it is signed by.
    pub key: Name,
    /// The command or case, as JSON in a string; a command with `issued_at`.
    pub text: String,
    /// Base64 of the Ed25519 signature of topic, line feed and `text`.
    #[schemars(regex(pattern = "^[A-Za-z0-9+/]{86}==$"))]
    pub signature: String,
}

/// The response topic of a command, or `reply/{client}`: the answer to a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// The request; left out if it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// What was asked; left out if there is no such verb.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verb: Option<Verb>,
    /// What came of it.
    pub status: ReplyStatus,
    /// Why it was not carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether this is the answer that was given before to the same request.
    pub repeated: bool,
    /// When this was written.
    pub time: WallTime,
    /// The picture that was taken, for `snapshot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// What is sent again, for `replay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replayed>,
    /// What is held, or was, for `hold` and `release`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<HeldPictures>,
}

/// What came of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplyStatus {
    /// It was carried out; what comes later comes as events.
    Ok,
    /// It is not one that can or may be carried out; nothing was changed.
    Rejected,
    /// It could not be carried out.
    Failed,
    /// It came too late; nothing was changed.
    Expired,
}

impl ReplyStatus {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

/// Pictures of an incident that are held, or were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeldPictures {
    /// How many are on the disk.
    pub pictures: u64,
}

/// Events that are sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replayed {
    /// How many.
    pub events: u64,
    /// Sequence of the first; earlier ones are not kept any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Sequence of the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
}

#[cfg(test)]
mod tests;
