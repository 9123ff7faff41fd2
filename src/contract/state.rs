//! The messages that say how agent and cameras are: status, birth, heartbeat, health, camera status, active incidents.

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

/// Topic `health`, retained: load of the box and of the agent's stages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// When it was measured.
    pub time: WallTime,
    /// Seconds since the program started.
    pub uptime_secs: u64,
    /// The box.
    pub host: HostHealth,
    /// The detector.
    pub model: ModelHealth,
    /// Latency of each stage.
    pub stages: Vec<StageLatency>,
    /// What waits for the hub.
    pub outbox: OutboxHealth,
    /// What each queue dropped.
    pub queues: Vec<QueueDrops>,
    /// What came of the hub's commands.
    #[serde(default)]
    pub commands: CommandHealth,
    /// What people at the hub found of the incidents of each rule; rules of which nobody said anything are left out.
    #[serde(default)]
    pub verdicts: Vec<RuleVerdicts>,
}

/// What people at the hub found of the incidents of a rule, within the last year.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleVerdicts {
    /// The camera.
    pub camera: Name,
    /// The rule.
    pub rule: Name,
    /// Incidents that were as reported.
    pub confirmed: u64,
    /// Incidents that were not.
    pub dismissed: u64,
    /// Share of those that were as reported: the rule's precision in the field.
    #[schemars(range(min = 0, max = 1))]
    pub precision: f64,
}

/// Whether frames are analysed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelHealth {
    /// Whether the detector is loaded.
    pub is_loaded: bool,
    /// Why not, while it is not: which file is missing or differs from its manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub reason: Option<String>,
    /// What is wrong though it is loaded: that it does not run on the execution provider that the site prefers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub alarm: Option<String>,
}

/// Load of the box; a value that cannot be read is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostHealth {
    /// Share of all cores in use by anyone, 0..1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", range(min = 0, max = 1))]
    pub cpu_share: Option<f64>,
    /// Share of all cores in use by the agent, 0..1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", range(min = 0, max = 1))]
    pub process_cpu_share: Option<f64>,
    /// Resident memory of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_memory_bytes: Option<u64>,
    /// Memory that could be used without swapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_available_bytes: Option<u64>,
    /// Memory of the box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_total_bytes: Option<u64>,
    /// Free space where the database and the evidence are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_free_bytes: Option<u64>,
    /// Size of that file system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_total_bytes: Option<u64>,
    /// Highest temperature of the processor in degrees Celsius.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_celsius: Option<f64>,
}

/// Latency of a stage since the last health message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageLatency {
    /// Name of the stage.
    pub stage: String,
    /// How many were measured.
    pub count: u64,
    /// Median in milliseconds.
    pub p50_ms: f64,
    /// 99th percentile in milliseconds.
    pub p99_ms: f64,
}

/// What waits for the hub; the counters are since the program started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutboxHealth {
    /// Messages on disk that the broker has not acknowledged.
    pub backlog: u64,
    /// Their bytes, pictures included.
    #[serde(default)]
    pub backlog_bytes: u64,
    /// Since when the oldest of them waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<WallTime>,
    /// Connections made.
    pub connects: u64,
    /// Messages from disk handed to the broker, repetitions included.
    pub sent: u64,
    /// Messages from disk that the broker acknowledged.
    pub acknowledged: u64,
    /// Messages that the broker refused; they are kept and sent again.
    pub refused: u64,
    /// Pictures whose file had gone before they could be sent.
    pub pictures_lost: u64,
    /// Events that were dropped since the outbox was full, ever; the topic `events_lost` names them.
    #[serde(default)]
    pub events_lost: u64,
    /// What a person must see to.
    #[serde(default)]
    pub alarms: Vec<DeliveryAlarm>,
}

/// Something wrong with the delivery although there is a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveryAlarm {
    /// What.
    pub alarm: DeliveryAlarmKind,
    /// Since when.
    pub since: WallTime,
    /// How often it was noticed.
    pub count: u64,
    /// The last time, in words.
    pub detail: String,
}

/// What is wrong with the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryAlarmKind {
    /// The agent may not publish something; it is kept and tried again.
    NotAuthorised,
    /// The broker has had enough for now; sending pauses.
    Quota,
    /// A message is larger than the broker takes; it is set aside until the next connection.
    TooLarge,
    /// The broker calls a message invalid; it is set aside until the next connection.
    Invalid,
    /// The broker refuses something and does not say why; it is kept and tried again.
    Refused,
    /// The agent may not subscribe to commands.
    CommandsRefused,
}

/// Commands of the hub since the program started, by what came of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandHealth {
    /// Carried out.
    pub ok: u64,
    /// Not carried out, since they may or can not be.
    pub rejected: u64,
    /// Tried in vain.
    pub failed: u64,
    /// Too late.
    pub expired: u64,
    /// Delivered again and answered as before.
    pub repeated: u64,
    /// Dropped without an answer: too many came at once, or nobody could be told.
    pub dropped: u64,
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

/// What a queue dropped since the program started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueDrops {
    /// Name of the queue.
    pub queue: String,
    /// The camera, if the queue is of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<Name>,
    /// How many it dropped.
    pub dropped: u64,
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
