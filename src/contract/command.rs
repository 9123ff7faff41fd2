//! What the hub asks of an agent, the answers, and the course of a case.
//!
//! These are the only messages that come from outside: every type refuses an unknown property, every text has a bound, and there
//! is no free text. [`read_command`] and [`read_case`] are the border.

use super::event_types::Evidence;
use super::scalars::{WallTime, time_schema, uuid_schema};
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
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 8] = [
        Self::Recheck,
        Self::Snapshot,
        Self::Camera,
        Self::Rule,
        Self::Feedback,
        Self::Reload,
        Self::Replay,
        Self::Status,
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

/// Reads the command of a verb.
pub fn read_command(verb: Verb, payload: &[u8]) -> Result<Command<Request>, CommandError> {
    fn read<A: DeserializeOwned>(
        payload: &[u8],
        request: impl Fn(A) -> Request,
    ) -> Result<Command<Request>, CommandError> {
        let Command { id, client, issued_at, expires_at, args } = read_json::<Command<A>>(payload)?;
        Ok(Command { id, client, issued_at, expires_at, args: request(args) })
    }
    let command = match verb {
        Verb::Recheck => read(payload, Request::Recheck),
        Verb::Snapshot => read(payload, Request::Snapshot),
        Verb::Camera => read(payload, Request::Camera),
        Verb::Rule => read(payload, Request::Rule),
        Verb::Feedback => read(payload, Request::Feedback),
        Verb::Reload => read(payload, |NoArgs {}| Request::Reload),
        Verb::Replay => read(payload, Request::Replay),
        Verb::Status => read(payload, |NoArgs {}| Request::Status),
    }?;
    if let Request::Recheck(args) = &command.args
        && !LOOK_SECS.contains(&args.look_secs)
    {
        return Err(CommandError::Malformed(format!("look_secs is {} to {}", LOOK_SECS.start(), LOOK_SECS.end())));
    }
    Ok(command)
}

/// Reads a case.
pub fn read_case(payload: &[u8]) -> Result<CaseUpdate, CommandError> {
    let update: CaseUpdate = read_json(payload)?;
    match &update.number {
        Some(number) if number.chars().count() > MAX_CASE_NUMBER => {
            Err(CommandError::Malformed(format!("number has at most {MAX_CASE_NUMBER} characters")))
        }
        Some(_) | None => Ok(update),
    }
}

fn read_json<T: DeserializeOwned>(payload: &[u8]) -> Result<T, CommandError> {
    if payload.len() > MAX_COMMAND_BYTES {
        return Err(CommandError::TooLarge(payload.len()));
    }
    serde_json::from_slice(payload).map_err(|error| CommandError::Malformed(error.to_string()))
}

/// Id and client of a command that cannot be used, as far as they can be read: whom to tell so.
#[must_use]
pub fn sender_of(payload: &[u8]) -> (Option<RequestId>, Option<Name>) {
    let within = payload.len() <= MAX_COMMAND_BYTES;
    let value: Option<serde_json::Value> = within.then(|| serde_json::from_slice(payload).ok()).flatten();
    let text = |key: &str| value.as_ref().and_then(|value| value.get(key)?.as_str().map(str::to_owned));
    (text("id").and_then(|id| id.try_into().ok()), text("client").and_then(|client| Name::try_new(client).ok()))
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

/// Most characters of a case's number.
const MAX_CASE_NUMBER: usize = 64;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::schemas;
    use serde_json::{Value, json};

    const INCIDENT: &str = "01a200a7-f161-76c2-9ff1-3e49a84e1138";

    /// Commands and cases, and whether each is as the contract says.
    fn examples() -> Vec<(&'static str, Value, bool)> {
        let command = |args: Value| json!({"id": "r-1", "client": "hub", "args": args});
        vec![
            ("recheck", command(json!({"incident": INCIDENT})), true),
            ("recheck", command(json!({"incident": INCIDENT, "look_secs": 20})), true),
            ("recheck", command(json!({"incident": INCIDENT, "look_secs": 1})), false),
            ("recheck", command(json!({"incident": INCIDENT, "look_secs": 121})), false),
            ("recheck", command(json!({"incident": "1"})), false),
            ("recheck", command(json!({})), false),
            ("recheck", json!({"id": "r 1", "args": {"incident": INCIDENT}}), false),
            ("recheck", json!({"id": "r1", "args": {"incident": INCIDENT}, "person": "x"}), false),
            (
                "recheck",
                json!({"id": "r1", "expires_at": "2026-11-22T08:00:00Z", "args": {"incident": INCIDENT}}),
                true,
            ),
            ("recheck", json!({"id": "r1", "expires_at": "tomorrow", "args": {"incident": INCIDENT}}), false),
            ("snapshot", command(json!({"camera": "east"})), true),
            ("snapshot", command(json!({"camera": "east", "incident": INCIDENT})), true),
            ("snapshot", command(json!({"camera": "../east"})), false),
            ("camera", command(json!({"camera": "east", "enabled": false})), true),
            ("camera", command(json!({"camera": "east"})), false),
            (
                "rule",
                command(json!({"camera": "east", "rule": "fire", "muted_until": "2026-11-22T08:00:00+08:00"})),
                true,
            ),
            ("rule", command(json!({"camera": "east", "rule": "fire", "muted_until": null})), true),
            ("rule", command(json!({"camera": "east", "rule": "fire"})), false),
            ("feedback", command(json!({"incident": INCIDENT, "verdict": "confirmed"})), true),
            ("feedback", command(json!({"incident": INCIDENT, "verdict": "dismissed", "reason": "permitted"})), true),
            ("feedback", command(json!({"incident": INCIDENT, "verdict": "maybe"})), false),
            ("reload", command(json!({})), true),
            ("reload", command(json!({"file": "/etc/passwd"})), false),
            ("replay", command(json!({"from": 7})), true),
            ("replay", command(json!({"from": -7})), false),
            ("status", command(json!({})), true),
            ("status", json!({"id": "s"}), false),
            ("case", json!({"status": "dispatched", "time": "2026-11-22T08:00:00Z", "number": "A-7"}), true),
            ("case", json!({"status": "lost", "time": "2026-11-22T08:00:00Z"}), false),
            ("case", json!({"status": "closed", "time": "2026-11-22T08:00:00Z", "number": "7".repeat(65)}), false),
        ]
    }

    #[test]
    fn the_agent_takes_what_the_published_schema_allows_and_nothing_else() {
        for (kind, payload, is_good) in examples() {
            let (bytes, verb) = (serde_json::to_vec(&payload).unwrap(), Verb::of_name(kind));
            let taken = verb.map_or_else(|| read_case(&bytes).map(drop), |verb| read_command(verb, &bytes).map(drop));
            assert_eq!(taken.is_ok(), is_good, "{payload}: {taken:?}");
            let message = verb.map_or_else(|| "case".to_owned(), |verb| format!("command-{}", verb.as_str()));
            let options = jsonschema::draft202012::options().should_validate_formats(true);
            let validator = options.build(&schemas()[&*message]).unwrap();
            assert_eq!(validator.is_valid(&payload), is_good, "{message}: {payload}");
        }
    }

    #[test]
    fn what_is_too_large_is_not_read() {
        let id = "x".repeat(MAX_COMMAND_BYTES);
        let payload = format!(r#"{{"id": "{id}", "args": {{}}}}"#);
        assert!(matches!(read_command(Verb::Status, payload.as_bytes()), Err(CommandError::TooLarge(_))));
        assert_eq!(sender_of(payload.as_bytes()), (None, None));
    }

    #[test]
    fn whom_to_tell_is_read_from_what_cannot_be_used() {
        let (id, client) = sender_of(br#"{"id": "r-1", "client": "hub", "args": 7}"#);
        assert_eq!((id.unwrap().as_str(), client.unwrap().as_str()), ("r-1", "hub"));
        assert_eq!(sender_of(br#"{"id": "r 1", "client": "../hub"}"#), (None, None));
        assert_eq!(sender_of(b"{"), (None, None));
    }
}
