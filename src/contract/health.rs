//! Topic `health`: load of the box and of the agent's stages, what waits, what was lost, and what people at the hub say.

use super::adapters::HttpHealth;
use super::scalars::{WallTime, sha256_schema};
use crate::ids::Name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// What goes to the webhook; left out if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "HttpHealth")]
    pub webhook: Option<HttpHealth>,
    /// The pictures that go to the storage; left out if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "HttpHealth")]
    pub storage: Option<HttpHealth>,
    /// The pictures on the disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "EvidenceHealth")]
    pub evidence: Option<EvidenceHealth>,
    /// The audit log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AuditHealth")]
    pub audit: Option<AuditHealth>,
    /// The configuration that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ConfigurationHealth")]
    pub configuration: Option<ConfigurationHealth>,
    /// What each queue dropped.
    pub queues: Vec<QueueDrops>,
    /// What came of the hub's commands.
    #[serde(default)]
    pub commands: CommandHealth,
    /// What each stage before an event leaves did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub event_stages: Vec<EventStage>,
    /// What people at the hub found of the incidents of each rule; rules of which nobody said anything are left out.
    #[serde(default)]
    pub verdicts: Vec<RuleVerdicts>,
}

/// The configuration that runs, and how it stands to the files from which it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationHealth {
    /// SHA-256 of its files, as in `birth`.
    pub sha256: String,
    /// Since when it runs.
    pub since: WallTime,
    /// What is wrong with the files as they are now, so that they are not taken over; left out if nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub refused: Option<String>,
    /// Keys that have changed and that only a restart takes over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs_restart: Vec<String>,
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

/// The pictures on the disk, and which were deleted since the program started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceHealth {
    /// How many there are.
    pub pictures: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Incidents whose pictures are held.
    pub held_incidents: u64,
    /// Pictures of these.
    pub held_pictures: u64,
    /// What was written since the program started.
    #[serde(default)]
    pub written: WrittenEvidence,
    /// What was deleted, by the reason.
    pub deleted: DeletedPictures,
    /// Of these, pictures that somebody was still to have.
    pub undelivered: u64,
    /// Why no picture can be kept, while that is so: the key of the encryption cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub alarm: Option<String>,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenEvidence {
    /// Pictures.
    pub pictures: u64,
    /// Clips.
    pub clips: u64,
}

/// Pictures that were deleted, by the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeletedPictures {
    /// They had been kept for as long as they may be.
    pub age: u64,
    /// All together were larger than they may be.
    pub bytes: u64,
    /// The disk had less free space than it must have.
    pub space: u64,
}

/// The audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditHealth {
    /// Number of the last record; left out before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub sequence: Option<u64>,
    /// Its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "sha256_schema")]
    pub hash: Option<String>,
    /// Why nothing is recorded, while that is so.
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
    /// Events that were kept back since something in them was wrong; left out if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "WithheldEvents")]
    pub withheld: Option<WithheldEvents>,
    /// Where a damaged database was put when the program started: what it held is lost to the hub, and sequences began anew. Left out if
    /// none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub database_set_aside: Option<String>,
    /// What a person must see to.
    #[serde(default)]
    pub alarms: Vec<DeliveryAlarm>,
}

/// Events that were kept back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WithheldEvents {
    /// How many, ever.
    pub count: u64,
    /// What was wrong with the last of them.
    pub reason: String,
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
    /// A certificate of the agent's own files expires within 30 days, or has.
    CertificateExpires,
}

impl DeliveryAlarmKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::NotAuthorised,
        Self::Quota,
        Self::TooLarge,
        Self::Invalid,
        Self::Refused,
        Self::CommandsRefused,
        Self::CertificateExpires,
    ];

    /// Name in messages and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAuthorised => "not_authorised",
            Self::Quota => "quota",
            Self::TooLarge => "too_large",
            Self::Invalid => "invalid",
            Self::Refused => "refused",
            Self::CommandsRefused => "commands_refused",
            Self::CertificateExpires => "certificate_expires",
        }
    }
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

/// What a stage before an event leaves did since the program started: with sights (`filtering`, `redundancy`, `rule_check`, `duplicates`) or
/// with events (`relation`, `completion`, `error_check`, `quality`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventStage {
    /// Name of the stage.
    pub stage: String,
    /// Passed as they were.
    pub passed: u64,
    /// Go no further.
    pub stopped: u64,
    /// Passed with something added or mended.
    pub changed: u64,
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
