//! An incident event: a `CloudEvents` 1.0 envelope around what the hub must know of an incident.
//!
//! Fields come from `CloudEvents` 1.0, GB/T 47678.5-2026 and GB/T 30428.2 (matter), GB/T 28181 (device id). Assembled
//! by [`incident_event`](super::incident_event).

use super::matter::Matter;
use super::scalars::{Sequence, WallTime, bbox_schema, sha256_schema, uuid_schema, uuids_schema};
use crate::clock::ClockQuality;
use crate::config::{Crs, Disclosure};
use crate::geometry::BBox;
use crate::ids::Name;
use crate::incident::{ClosedReason, Phase, Recheck, Severity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An incident was opened, changed, looked at again, closed or withdrawn. Under 64 KiB; pictures are not inside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IncidentEvent {
    /// Version of `CloudEvents`.
    #[schemars(extend("const" = "1.0"))]
    pub specversion: String,
    /// `UUIDv7` of this event, the same at every delivery: what a hub deduplicates by.
    #[schemars(schema_with = "uuid_schema")]
    pub id: Uuid,
    /// What happened.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// The agent: `urn:curbwatch:{agent}`.
    #[schemars(regex(pattern = "^urn:curbwatch:[a-z0-9][a-z0-9_-]{0,63}$"))]
    pub source: String,
    /// The camera: `camera/{camera}`.
    #[schemars(regex(pattern = "^camera/[a-z0-9][a-z0-9_-]{0,63}$"))]
    pub subject: String,
    /// When it happened.
    pub time: WallTime,
    /// Content type of `data`.
    #[schemars(extend("const" = "application/json"))]
    pub datacontenttype: String,
    /// `$id` of this schema.
    #[schemars(extend("const" = "urn:curbwatch:schema:incident:1"))]
    pub dataschema: String,
    /// Position among all events of the agent.
    pub sequence: Sequence,
    /// The incident: events with the same key are in order (`CloudEvents` extension `partitionkey`).
    #[schemars(schema_with = "uuid_schema")]
    pub partitionkey: Uuid,
    /// The incident after the change.
    pub data: IncidentData,
}

/// `type` of an incident event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EventType {
    /// The dwell was reached.
    #[serde(rename = "curbwatch.incident.opened")]
    Opened,
    /// A material change.
    #[serde(rename = "curbwatch.incident.updated")]
    Updated,
    /// The answer to a request to look again.
    #[serde(rename = "curbwatch.incident.rechecked")]
    Rechecked,
    /// It is over.
    #[serde(rename = "curbwatch.incident.closed")]
    Closed,
    /// It was reported in error.
    #[serde(rename = "curbwatch.incident.withdrawn")]
    Withdrawn,
}

impl From<Phase> for EventType {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Opened => Self::Opened,
            Phase::Updated => Self::Updated,
            Phase::Rechecked => Self::Rechecked,
            Phase::Closed => Self::Closed,
            Phase::Withdrawn => Self::Withdrawn,
        }
    }
}

/// The incident after the change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IncidentData {
    /// `UUIDv7`, the same over the incident's whole life and over restarts.
    #[schemars(schema_with = "uuid_schema")]
    pub incident_id: Uuid,
    /// Counts the changes of this incident from 0.
    pub revision: u32,
    /// What happened.
    pub phase: Phase,
    /// Why it is over, once it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_reason: Option<ClosedReason>,
    /// What was found when looking again; in `rechecked` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recheck: Option<Recheck>,
    /// Whether this event waited on the box's disk for the connection.
    pub replayed: bool,
    /// What the city calls it.
    pub matter: Matter,
    /// By what means it was found.
    pub channel: Channel,
    /// Whether a person confirmed it.
    pub verification: Verification,
    /// How grave it is.
    pub severity: Severity,
    /// How much of the incident the box gave away.
    pub disclosure: Disclosure,
    /// The camera that saw it.
    pub camera: CameraRef,
    /// Where the camera looks, as far as the site configured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The zone in which it stands.
    pub zone: ZoneRef,
    /// The rule that found it.
    pub rule: RuleRef,
    /// When and for how long.
    pub timing: Timing,
    /// The things it consists of.
    pub objects: Vec<ObjectSeen>,
    /// Size of the frame in which the boxes are.
    pub frame: FrameRef,
    /// Its pictures, or its clip.
    pub evidence: Vec<Evidence>,
    /// How its clip stands, where one was begun: an update with `attached` or `absent` tells of that alone, unless something else has
    /// changed too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ClipState")]
    pub clip: Option<ClipState>,
    /// The detector that saw it.
    pub model: ModelRef,
    /// What was not reported because it belongs to this incident.
    pub dedup: Dedup,
    /// What to think of the data.
    pub quality: Quality,
    /// What made this event.
    pub trace: Trace,
}

/// By what means an incident was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A program that watches video.
    VideoAi,
}

/// Whether a person confirmed an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verification {
    /// Nobody has looked yet.
    Unverified,
}

/// The camera that saw an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraRef {
    /// Id in the agent's configuration and in topics.
    pub id: Name,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// 20-digit device id of GB/T 28181.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = "^[0-9]{20}$"))]
    pub gb28181_id: Option<String>,
}

/// Where a camera looks; only what the site configured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Street address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// 15-digit grid-cell id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = "^[0-9]{15}$"))]
    pub grid_id: Option<String>,
    /// 6-digit administrative division.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = "^[0-9]{6}$"))]
    pub division_code: Option<String>,
    /// Position on the map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<MapPoint>,
}

/// A position on the map with its reference system; never converted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MapPoint {
    /// Longitude in degrees.
    #[schemars(range(min = -180, max = 180))]
    pub lon: f64,
    /// Latitude in degrees.
    #[schemars(range(min = -90, max = 90))]
    pub lat: f64,
    /// Reference system of both.
    pub crs: Crs,
    /// Radius of uncertainty in metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", range(min = 0))]
    pub accuracy_m: Option<f64>,
}

/// The zone in which an incident stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ZoneRef {
    /// Id in the camera's configuration.
    pub id: Name,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The rule that found an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleRef {
    /// Id in the camera's configuration.
    pub id: Name,
    /// Observed seconds after which the rule reports.
    pub dwell_secs: f64,
}

/// When an incident was seen, and how good these times are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// First sight, before the dwell.
    pub first_seen: WallTime,
    /// When the dwell was reached.
    pub confirmed_at: WallTime,
    /// Last sight.
    pub last_seen: WallTime,
    /// When it was closed; null while it is open.
    pub closed_at: Option<WallTime>,
    /// Observed presence in seconds on the media timeline.
    pub dwell_secs: f64,
    /// Where the times come from.
    pub clock_quality: ClockQuality,
    /// Camera clock minus box clock, where the camera tells its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_offset_ms: Option<i64>,
}

/// A thing as last seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectSeen {
    /// Class name of the model.
    pub class: String,
    /// The model's score.
    #[schemars(range(min = 0, max = 1))]
    pub confidence: f32,
    /// Where it stands.
    #[schemars(schema_with = "bbox_schema")]
    pub bbox: BBox,
    /// Seconds for which it has not moved.
    #[schemars(range(min = 0))]
    pub stationary_secs: f64,
}

/// Size of a frame in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FrameRef {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// How the clip of an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClipState {
    /// It is being made; an update will come.
    Awaited,
    /// This event names it.
    Attached,
    /// It was awaited, and there will be none.
    Absent,
}

/// Media type of a picture or clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MediaType {
    /// A picture.
    #[serde(rename = "image/jpeg")]
    Jpeg,
    /// A clip: VP8 in `WebM`, which browsers play.
    #[serde(rename = "video/webm")]
    WebM,
}

impl MediaType {
    /// Every media type.
    pub const ALL: [Self; 2] = [Self::Jpeg, Self::WebM];

    /// Its registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::WebM => "video/webm",
        }
    }

    /// How the names of its files end.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::WebM => "webm",
        }
    }

    /// The media type of the files whose names end so.
    #[must_use]
    pub fn of_extension(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|media_type| media_type.extension() == extension)
    }
}

/// A redacted picture of an incident, or a clip of redacted pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// `UUIDv7` of the picture.
    #[schemars(schema_with = "uuid_schema")]
    pub id: Uuid,
    /// The change that it shows.
    pub role: EvidenceRole,
    /// How much of the frame it shows.
    pub view: EvidenceView,
    /// The part of the frame that it shows; the boxes of the event lie in the frame, not in the picture.
    #[schemars(schema_with = "bbox_schema")]
    pub shown: BBox,
    /// Media type of its bytes.
    pub media_type: MediaType,
    /// SHA-256 of its bytes, lower-case hexadecimal.
    #[schemars(schema_with = "sha256_schema")]
    pub sha256: String,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels, the strip included.
    pub height: u32,
    /// Height of the strip at its lower edge in which is written what it shows; 0 if there is none.
    pub strip_height: u32,
    /// When the picture was taken, or the first one of a clip.
    pub captured_at: WallTime,
    /// Time from the first to the last picture of a clip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64", range(min = 0))]
    pub duration_secs: Option<f64>,
    /// Pictures of a clip; there is at most one for each second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", range(min = 1))]
    pub frame_count: Option<u32>,
    /// When the box deletes it.
    pub expires_at: WallTime,
    /// How the hub gets it.
    pub delivery: Delivery,
    /// What was made unrecognisable.
    pub redaction: Redaction,
}

/// What a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceRole {
    /// The incident as it opened.
    Opened,
    /// A material change.
    Updated,
    /// What was found when looking again.
    Rechecked,
    /// The place when the incident was over.
    Closed,
    /// What a camera showed when the hub asked for a picture.
    Snapshot,
    /// The time around its opening, as pictures in a row.
    Clip,
}

impl EvidenceRole {
    /// The role of the picture of a change; none if such a change has no picture.
    #[must_use]
    pub fn of(phase: Phase) -> Option<Self> {
        match phase {
            Phase::Opened => Some(Self::Opened),
            Phase::Updated => Some(Self::Updated),
            Phase::Rechecked => Some(Self::Rechecked),
            Phase::Closed => Some(Self::Closed),
            Phase::Withdrawn => None,
        }
    }
}

/// How much of a frame a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceView {
    /// All of it, with an outline around the incident.
    Overview,
    /// The incident and what is around it, a part of the same redacted pixels.
    Crop,
}

/// How the hub gets a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// The way.
    pub via: DeliveryVia,
    /// Where it is found on that way: for `mqtt` the topic below the agent's own, for `http` the object's URL.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// A way of delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryVia {
    /// As bytes on an MQTT topic, sent before the event.
    Mqtt,
    /// As an object in a storage, put there before the event was sent.
    Http,
    /// It stays on the box.
    None,
}

/// What was made unrecognisable in a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redaction {
    /// Always true: no picture leaves unredacted.
    #[schemars(extend("const" = true))]
    pub applied: bool,
    /// Kinds of areas that were looked for.
    pub classes: Vec<String>,
    /// Version of the method.
    pub version: u32,
}

/// The detector that saw an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelRef {
    /// Name in its manifest.
    pub name: String,
    /// SHA-256 of the model file.
    #[schemars(schema_with = "sha256_schema")]
    pub sha256: String,
    /// Execution provider in use.
    pub provider: String,
}

/// What was not reported because it belongs to this incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dedup {
    /// Sights taken for this incident instead of opening another.
    pub suppressed: u32,
    /// The incident that this one continues, or null.
    #[schemars(with = "Option<String>")]
    pub continues: Option<Uuid>,
    /// Other open incidents at the same place: of the same matter seen by another camera, or of another matter.
    #[schemars(schema_with = "uuids_schema")]
    pub related: Vec<Uuid>,
}

/// What to think of the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quality {
    /// Reservations.
    pub flags: Vec<String>,
    /// Fields that the camera's own configuration does not have: from the place of the box, or from tables by what it has.
    pub completed: Vec<String>,
}

/// What made an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// Version of the agent.
    pub agent_version: String,
    /// Digest of its configuration.
    #[schemars(schema_with = "sha256_schema")]
    pub config_sha256: String,
    /// Hash of the last record of the agent's audit log when the event was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev_audit_hash: Option<String>,
    /// Number of that record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev_audit_sequence: Option<u64>,
}
