//! The messages that say how agent and cameras are: status, birth, heartbeat, lost events, camera status, active incidents.

use super::matter::Matter;
use super::scalars::{Sequence, WallTime, sha256_schema, uuids_schema};
use crate::clock::ClockQuality;
use crate::ids::Name;
use crate::picture::PictureState;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Topic `status`, retained, and the will.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentStatus {
    /// How the agent is.
    pub status: AgentState,
    /// Number of the connection; grows, so that a will of an older connection is told from news of the present one.
    pub session: u64,
    /// When this was written; a will is written when its connection begins.
    pub time: WallTime,
}

/// How an agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// Connected and working.
    Online,
    /// About to leave; it still delivers what it has.
    Stopping,
    /// It left in an orderly way.
    Offline,
    /// The broker lost it.
    Lost,
}

/// Topic `birth`, retained: what the agent is and watches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Birth {
    /// The agent.
    pub agent: Name,
    /// Its site.
    pub site: Name,
    /// Version of the program.
    pub agent_version: String,
    /// When the program started.
    pub started_at: WallTime,
    /// IANA time zone in which its times are written.
    pub time_zone: String,
    /// Digest of its configuration.
    #[schemars(schema_with = "sha256_schema")]
    pub config_sha256: String,
    /// Its detectors; empty while none could be loaded.
    pub models: Vec<BirthModel>,
    /// What decodes each codec.
    #[serde(default)]
    pub decoders: Vec<BirthDecoder>,
    /// Its cameras.
    pub cameras: Vec<BirthCamera>,
    /// Versions of the messages that it sends.
    pub schemas: Vec<SchemaVersion>,
}

/// A detector in a birth message, and how it is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BirthModel {
    /// Name in its manifest.
    pub name: String,
    /// SHA-256 of the model file.
    #[schemars(schema_with = "sha256_schema")]
    pub sha256: String,
    /// Execution provider in use.
    pub provider: String,
    /// Which execution provider runs how much of it; empty if ONNX Runtime does not tell.
    pub nodes: Vec<ProviderNodes>,
    /// Threads that run inferences side by side.
    pub runners: u32,
    /// Threads that work on each inference.
    pub threads: u32,
}

/// Nodes of a model that one execution provider runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderNodes {
    /// The provider, in ONNX Runtime's words.
    pub provider: String,
    /// How many nodes.
    pub count: u32,
}

/// What decodes a codec, in a birth message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BirthDecoder {
    /// Video codec: `h264`, `h265`.
    pub codec: String,
    /// The platform whose decoder is used; left out if none works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Better ones that do not work on this box.
    pub passed_over: Vec<BirthPassedOver>,
}

/// A platform whose decoder is not used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BirthPassedOver {
    /// Its name.
    pub platform: String,
    /// Why it is not used.
    pub reason: String,
}

/// A camera in a birth message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BirthCamera {
    /// Id in topics.
    pub id: Name,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// 20-digit device id of GB/T 28181.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = "^[0-9]{20}$"))]
    pub gb28181_id: Option<String>,
    /// Whether it is watched.
    pub enabled: bool,
    /// Its zones.
    pub zones: Vec<BirthZone>,
    /// Its rules.
    pub rules: Vec<BirthRule>,
}

/// A zone in a birth message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BirthZone {
    /// Id within the camera.
    pub id: Name,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Corners `[x, y]`, 0..1 in the frame from the top left.
    pub polygon: Vec<[f32; 2]>,
}

/// A rule in a birth message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BirthRule {
    /// Id within the camera.
    pub id: Name,
    /// What it reports.
    pub matter: Matter,
    /// Where it applies.
    pub zones: Vec<Name>,
    /// Observed seconds after which it reports.
    pub dwell_secs: f64,
}

/// Version of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchemaVersion {
    /// Name of the message.
    pub message: String,
    /// Version of its schema.
    pub version: u32,
}

/// Topic `heartbeat`, not retained: a sign of life for brokers without wills.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// Number of the connection.
    pub session: u64,
    /// When it was written.
    pub time: WallTime,
}

/// Topic `events_lost`, retained: events that were dropped before the hub had them, since the outbox was full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsLost {
    /// When the last of them was dropped.
    pub time: WallTime,
    /// How many in all.
    pub count: u64,
    /// Their sequences, oldest first: the last 64 ranges.
    pub ranges: Vec<LostRange>,
}

/// Sequences of events that were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LostRange {
    /// The first.
    pub first: Sequence,
    /// The last.
    pub last: Sequence,
    /// Why.
    pub reason: LossReason,
}

/// Why events were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LossReason {
    /// They waited longer than `hub.outbox.max_days`.
    Age,
    /// More waited than `hub.outbox.max_mib`.
    Size,
}

/// Topic `camera/{camera}/status`, retained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraStatus {
    /// The camera.
    pub camera: Name,
    /// How it is.
    pub state: CameraState,
    /// Since when it is so.
    pub since: WallTime,
    /// Why, in words without any secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The stream, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamStatus>,
    /// When the last frame was decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_frame: Option<WallTime>,
    /// The stream for pictures, if the camera has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceStreamStatus>,
    /// How often it was connected again since the program started.
    pub reconnects: u64,
}

/// How a camera is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CameraState {
    /// Being connected.
    Connecting,
    /// Frames arrive.
    Online,
    /// Connected, and no frame arrives.
    Stalled,
    /// Not reachable.
    Offline,
    /// It refuses user or password.
    Unauthorised,
    /// Switched off by configuration, or set aside for a mistake in it.
    Disabled,
}

impl CameraState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Connecting, Self::Online, Self::Stalled, Self::Offline, Self::Unauthorised, Self::Disabled];

    /// Name in messages and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Online => "online",
            Self::Stalled => "stalled",
            Self::Offline => "offline",
            Self::Unauthorised => "unauthorised",
            Self::Disabled => "disabled",
        }
    }
}

/// Topic `camera/{camera}/image`, retained: picture health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageHealth {
    /// The camera.
    pub camera: Name,
    /// How its picture is.
    pub state: PictureState,
    /// Since when it is so: the first frame that showed it.
    pub since: WallTime,
    /// How it was before, if it has changed since the program started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PictureState>,
    /// Whether the camera's rules rest while it is so: what stands in a zone is then neither seen nor missed, and open incidents
    /// stay open.
    pub rules_suspended: bool,
}

/// A camera's stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamStatus {
    /// Video codec: `H264`, `H265`.
    pub codec: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// The platform whose decoder is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoder: Option<String>,
    /// What of it is decoded at present.
    pub decoding: StreamDecoding,
    /// Frames received per second.
    pub fps_in: f64,
    /// Frames analysed per second.
    pub fps_analysed: f64,
    /// Where the times of its frames come from.
    pub clock_quality: ClockQuality,
    /// Camera clock minus box clock, where the camera tells its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_offset_ms: Option<i64>,
    /// What is wrong with the camera's clock, while something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_alarm: Option<ClockAlarm>,
}

/// What is wrong with a camera's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClockAlarm {
    /// It differs from the box's by more than two seconds; no longer once it is below one.
    Offset,
    /// Over five minutes it runs faster or slower than the box's by more than 100 parts per million; no longer once it is below 50.
    Drift,
}

/// A camera's stream for pictures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceStreamStatus {
    /// How it is.
    pub state: CameraState,
    /// Since when it is so.
    pub since: WallTime,
    /// Why, in words without any secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Video codec, while online.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// Width in pixels, while online.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height in pixels, while online.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// When the last key frame was taken, while one is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_key_frame: Option<WallTime>,
}

/// What of a stream is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamDecoding {
    /// Everything.
    All,
    /// Key frames only, since nothing goes on.
    KeyFrames,
    /// Everything although nothing goes on: key frames come too rarely to do with them. A shorter key frame interval at the camera saves
    /// most of the decoding.
    AllForLackOfKeyFrames,
}

/// Topic `camera/{camera}/active/{rule}`, retained; zero bytes when nothing is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Active {
    /// The camera.
    pub camera: Name,
    /// The rule.
    pub rule: Name,
    /// Incidents that are open, oldest first; at least one.
    #[schemars(schema_with = "uuids_schema")]
    pub incidents: Vec<Uuid>,
    /// Since when the camera has been giving no pictures, once that is a minute: the incidents are neither confirmed nor gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<WallTime>,
}
