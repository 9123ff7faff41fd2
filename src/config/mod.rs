//! YAML text → a [`Config`] that cannot be wrong.
//!
//! In: a file, and those that it includes. Out: [`Loaded`], in which every reference resolves and every polygon is one; or every mistake at once, each
//! with line, column, what was seen and what is allowed. [`check`](check()) is strict; [`load`](load()) sets a camera with mistakes
//! aside and runs the rest. Secrets are read from files or the environment and never printed.
//!
//! The types below are the source of `edge-config/curbwatch.schema.json` and of `docs/configuration.md`: a doc comment here is
//! what an editor and a reader see there. The way of a file: text → `document` (values with places) → `structure` (against
//! the schema) → `meaning` and `subjects` (what the keys mean together) → [`Config`].

mod audit;
mod bytes;
mod classes;
mod clips;
mod conditions;
mod document;
mod edit;
mod evidence;
mod explain;
mod finding;
mod idle_pace;
mod include;
mod kinds;
mod load;
mod log;
mod meaning;
mod onvif;
mod protocol;
pub(crate) mod provider_options;
mod public_key;
mod reference;
mod report;
mod rule;
mod schema;
mod secret;
mod show;
mod spans;
mod storage;
mod streams;
mod structure;
mod subjects;
mod web;
mod webhook;

pub use audit::AuditConfig;
pub use bytes::{ByteSize, ByteSizeError};
pub use classes::{ClassError, ClassGroups, STATIC_CLASS, bears_plate, hangs, is_head, is_person, moves_by_itself};
pub use clips::ClipsConfig;
pub use edit::{EditError, Written, write_zones, zones_as_yaml};
pub use evidence::EncryptionConfig;
pub use explain::explain;
pub use finding::{Finding, Findings, Position, Related};
pub use idle_pace::IdlePace;
pub use kinds::{KindDefaults, RuleKind};
pub use load::{ClassesOf, LoadError, Loaded, SetAside, check, load, load_bytes};
pub use log::{LogConfig, LogFormat};
pub use onvif::OnvifConfig;
pub use protocol::Protocol;
pub use public_key::{PublicKey, PublicKeyError};
pub use reference::reference;
pub use rule::{EscalationConfig, NearConfig, RuleConfig};
pub use schema::schema;
pub use secret::SecretError;
pub use show::show;
pub use storage::StorageConfig;
pub use streams::{EvidenceStreamConfig, RtspConfig, RtspTransport, StreamsConfig};
pub use web::{ConsoleConfig, MIN_TOKEN_CHARS, ProxyConfig, WebConfig};
pub use webhook::{HeaderConfig, WebhookConfig};

use crate::contract::Verb;
use crate::detect::Provider;
use crate::geometry::Polygon;
use crate::ids::Name;
use crate::mask::PrivacyMasks;
use crate::schedule::{Calendar, DateSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The whole configuration of an agent.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who and where this agent is.
    pub agent: AgentConfig,
    /// The broker over which the hub is reached.
    pub hub: HubConfig,
    /// The detector.
    #[serde(default)]
    pub model: ModelConfig,
    /// Names for groups of the model's classes, used by rules. Given groups are added to the built-in ones, or replace
    /// the one of the same name.
    #[serde(default)]
    pub classes: BTreeMap<Name, Vec<String>>,
    /// Pictures of incidents.
    #[serde(default)]
    pub evidence: EvidenceConfig,
    /// The log of what was done with the box and its pictures.
    #[serde(default)]
    pub audit: AuditConfig,
    /// Place shared by all cameras of the box; a camera's own place replaces it field by field.
    #[serde(default)]
    pub place: PlaceConfig,
    /// What the agent serves over HTTP.
    #[serde(default)]
    pub web: WebConfig,
    /// Files with more cameras, each with a list `cameras` and nothing else. A folder stands for every file in it whose name ends in `.yaml`, in the
    /// order of names. Relative to the folder of this file.
    #[serde(default)]
    pub include: Vec<PathBuf>,
    /// The cameras, at least one, here or in an included file.
    #[schemars(length(min = 1))]
    pub cameras: Vec<CameraConfig>,
}

/// Who and where this agent is.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// The site, a level of every MQTT topic.
    pub site: Name,
    /// The box, unique within the site; also the MQTT client id.
    pub id: Name,
    /// Folder of the database and the evidence. Created if absent. A relative path begins where the agent is started.
    #[serde(default = "default_data_dir")]
    pub data_dir: PathBuf,
    /// Time zone of the IANA database in which times are written and the windows of rules are meant.
    #[serde(default = "default_time_zone")]
    pub time_zone: String,
    /// Dates that windows of rules call `holiday`.
    #[serde(default)]
    pub holidays: Vec<DateSpan>,
    /// What is logged to standard error.
    #[serde(default)]
    pub log: LogConfig,
}

impl AgentConfig {
    /// The time zone and the holidays.
    pub fn calendar(&self) -> Result<Calendar, jiff::Error> {
        Ok(Calendar { time_zone: jiff::tz::TimeZone::get(&self.time_zone)?, holidays: self.holidays.clone() })
    }
}

fn default_data_dir() -> PathBuf {
    PathBuf::from("/var/lib/curbwatch")
}
fn default_time_zone() -> String {
    "Asia/Shanghai".to_owned()
}

/// The broker over which the hub is reached.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HubConfig {
    /// Host name or address of the broker.
    #[schemars(regex(pattern = r"^([A-Za-z0-9._-]+|[0-9A-Fa-f.]*(:[0-9A-Fa-f.]*){2,})$"), extend("x-allowed" = "a host name or address, without scheme and port"))]
    pub host: String,
    /// TCP port of the broker.
    #[serde(default = "default_mqtt_port")]
    #[schemars(range(min = 1))]
    pub port: u16,
    /// Other brokers of the same hub, in order of preference, for when the first is not there. The preferred ones are tried first at
    /// every connect.
    #[serde(default)]
    pub fallback: Vec<BrokerConfig>,
    /// Encryption; without it everything goes in the clear.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// What carries MQTT.
    #[serde(default)]
    pub transport: HubTransport,
    /// Path of the web socket, where `transport` is `websocket`.
    #[serde(default = "default_websocket_path")]
    #[schemars(regex(pattern = r"^/[!-~]*$"), extend("x-allowed" = "a path that begins with /"))]
    pub websocket_path: String,
    /// Version of MQTT. With 3.1.1 the broker cannot say why it refuses something, nor how large a packet may be.
    #[serde(default)]
    pub protocol: Protocol,
    /// Bytes of the largest packet that the broker takes, where it does not say so itself (MQTT 3.1.1). Larger messages are kept back,
    /// and `health` says so.
    #[serde(default)]
    #[schemars(range(min = 1024))]
    pub max_packet_bytes: Option<u32>,
    /// How much of an incident leaves the box, to the hub and to whoever else gets events.
    #[serde(default)]
    pub disclosure: Disclosure,
    /// First level of every topic.
    #[serde(default = "default_prefix")]
    pub prefix: Name,
    /// User name at the broker.
    #[serde(default)]
    pub username: Option<String>,
    /// Password at the broker.
    #[serde(default)]
    pub password: Option<SecretSource>,
    /// Seconds between keep-alive pings.
    #[serde(default = "default_keep_alive_secs")]
    #[schemars(range(min = 5, max = 600))]
    pub keep_alive_secs: u16,
    /// Upper limit of backlog messages sent per second after an outage.
    #[serde(default = "default_replay_per_sec")]
    #[schemars(range(min = 1, max = 10000))]
    pub replay_per_sec: u32,
    /// What waits on disk.
    #[serde(default)]
    pub outbox: OutboxConfig,
    /// What the hub may ask.
    #[serde(default)]
    pub commands: CommandsConfig,
    /// A platform that takes events as flat JSON by HTTP, besides the hub.
    #[serde(default)]
    pub webhook: Option<WebhookConfig>,
    /// What is open, as property events of ONVIF over the same broker.
    #[serde(default)]
    pub onvif: Option<OnvifConfig>,
}

/// What waits on disk for the broker, the webhook and the storage. Beyond these limits the oldest is dropped, and the topic `events_lost` says so.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OutboxConfig {
    /// Days that a message waits at most.
    #[schemars(range(min = 1, max = 3650))]
    pub max_days: u16,
    /// Mebibytes that wait at most, pictures included.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub max_mib: u32,
}

impl Default for OutboxConfig {
    fn default() -> Self {
        Self { max_days: 30, max_mib: 1024 }
    }
}

/// What the hub may ask. Whoever may publish below `cmd/` at the broker is the hub.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CommandsConfig {
    /// Verbs that are carried out; others are rejected. Cases are always taken.
    pub allow: Vec<Verb>,
    /// Public Ed25519 keys of hubs, by an id of your choice. Where there is one, messages of the hub must be signed by one of them: for
    /// brokers on which others may publish too.
    pub keys: BTreeMap<Name, PublicKey>,
}

impl Default for CommandsConfig {
    fn default() -> Self {
        Self { allow: Verb::ALL.to_vec(), keys: BTreeMap::new() }
    }
}

/// Another broker of the same hub.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BrokerConfig {
    /// Host name or address of the broker.
    #[schemars(regex(pattern = r"^([A-Za-z0-9._-]+|[0-9A-Fa-f.]*(:[0-9A-Fa-f.]*){2,})$"), extend("x-allowed" = "a host name or address, without scheme and port"))]
    pub host: String,
    /// TCP port of the broker.
    #[serde(default = "default_mqtt_port")]
    #[schemars(range(min = 1))]
    pub port: u16,
}

/// Encryption of a connection. The files (PEM) are read at every connect, so that renewed ones are used without a restart. The other
/// side's certificate must be for the host that is configured, which is also what it is asked for (SNI).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Certificates of the authorities that are trusted; for public ones `/etc/ssl/certs/ca-certificates.crt`.
    pub ca: PathBuf,
    /// The agent's own certificate with its chain, if the other side wants one; with `key`.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// The key of the agent's own certificate.
    #[serde(default)]
    pub key: Option<PathBuf>,
}

/// What carries MQTT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HubTransport {
    /// A TCP connection, encrypted if `tls` is given.
    #[default]
    Tcp,
    /// A web socket, through proxies that let nothing else pass; encrypted if `tls` is given.
    Websocket,
}

fn default_websocket_path() -> String {
    "/mqtt".to_owned()
}
fn default_mqtt_port() -> u16 {
    1883
}
fn default_prefix() -> Name {
    Name::try_new("curbwatch").expect("a literal name")
}
fn default_keep_alive_secs() -> u16 {
    30
}
fn default_replay_per_sec() -> u32 {
    200
}

/// Where a secret is read from; its value is never part of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretSource {
    /// The first line of this file.
    File(PathBuf),
    /// The value of this environment variable.
    Env(String),
    /// The first line of the credential of this name, which systemd gives to the service (`LoadCredential`, `LoadCredentialEncrypted`).
    Credential(String),
}

impl JsonSchema for SecretSource {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretSource".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "description": "Where a secret is read from: one of the three. Its value is never part of the configuration.",
            "x-allowed": "{file: path}, {env: NAME} or {credential: NAME}",
            "properties": {
                "file": {"type": "string", "minLength": 1, "description": "The first line of this file."},
                "env": {
                    "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "x-allowed": "the name of an environment variable",
                    "description": "The value of this environment variable."
                },
                "credential": {
                    "type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}$", "x-allowed": "the name of a credential of the service",
                    "description": "The first line of this credential, which systemd gives to the service."
                }
            },
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": false
        })
    }
}

/// The detector.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Name of an installed model (`curbwatch doctor` lists them), or the path of a manifest.
    pub manifest: String,
    /// On what it runs, in order of preference; the CPU is tried last in any case. All but `cpu` need an ONNX Runtime that was built with
    /// them, or their maker's library beside it. What is in use stands in the message `birth`; `health` says why a preferred one is not.
    #[schemars(length(min = 1))]
    pub providers: Vec<Provider>,
    /// What is passed on to them: `provider.option`, by the names that the maker gives its options, as in `openvino.device_type: GPU`.
    pub provider_options: BTreeMap<String, String>,
    /// Threads that run inferences side by side. At 0 a measurement of a second at the start chooses between one inference per core and
    /// one at a time on all cores.
    #[schemars(range(max = 64))]
    pub runners: u8,
    /// Threads that work on each inference, where `runners` is given.
    #[schemars(range(min = 1, max = 64))]
    pub threads: u8,
    /// Confidence, 0..1, from which a detection may be the beginning of something; the manifest's, if absent. Fainter ones only
    /// continue what is already followed, and are redacted in pictures.
    #[schemars(range(min = 0.01, max = 0.99))]
    pub min_confidence: Option<f32>,
    /// The same by night; as by day, if absent. By night is when a camera's own picture has had no colour (infrared light) or has been dark
    /// for a minute, until it has been in colour and bright for one; a camera that never shows colour sees by night.
    #[schemars(range(min = 0.1, max = 0.99))]
    pub min_confidence_night: Option<f32>,
    /// The same for classes or groups of classes that need another; a class's own comes before its group's.
    pub thresholds: BTreeMap<String, ThresholdConfig>,
}

/// Confidence from which a detection of a class may be the beginning of something.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ThresholdConfig {
    /// By day, 0..1.
    #[schemars(range(min = 0.1, max = 0.99))]
    pub day: f32,
    /// By night, 0..1; as by day, if absent.
    #[serde(default)]
    #[schemars(range(min = 0.1, max = 0.99))]
    pub night: Option<f32>,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            manifest: "yolov4-tiny-416".to_owned(),
            providers: vec![Provider::Cpu],
            provider_options: BTreeMap::new(),
            runners: 0,
            threads: 1,
            min_confidence: None,
            min_confidence_night: None,
            thresholds: BTreeMap::new(),
        }
    }
}

/// Pictures of incidents.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EvidenceConfig {
    /// How a picture reaches the hub.
    pub delivery: EvidenceDelivery,
    /// Where pictures are put with `delivery: http`.
    pub storage: Option<StorageConfig>,
    /// JPEG quality, 1..100.
    #[schemars(range(min = 30, max = 100))]
    pub jpeg_quality: u8,
    /// Whether time, camera, place, matter and incident are written in a strip below each picture.
    pub strip: bool,
    /// Days after which a picture is deleted, unless the hub holds its incident.
    #[schemars(range(min = 1, max = 3650))]
    pub keep_days: u16,
    /// The same for pictures of the incidents of some kinds of rules.
    #[schemars(schema_with = "keep_days_of_schema")]
    pub keep_days_of: BTreeMap<RuleKind, u16>,
    /// The same for pictures that the hub asked for; `keep_days`, if absent.
    #[schemars(range(min = 1, max = 3650))]
    pub snapshot_keep_days: Option<u16>,
    /// What all pictures together may take. Beyond it the oldest are deleted: first those of which the hub has everything, and none that it
    /// holds.
    pub max_bytes: ByteSize,
    /// Free space that the disk must have, and never more than a tenth of it. Below it the oldest pictures are deleted, in the same order.
    pub min_free: ByteSize,
    /// Encryption of the pictures on the disk; without it they lie in the clear.
    pub encryption: Option<EncryptionConfig>,
    /// Clips of the time around the opening of an incident.
    pub clips: ClipsConfig,
}

/// Days by kind: names that are no kind are mistakes with their place.
fn keep_days_of_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let days = schemars::json_schema!({"type": "integer", "minimum": 1, "maximum": 3650});
    let kinds: serde_json::Map<String, serde_json::Value> =
        RuleKind::ALL.iter().map(|kind| (kind.as_str().to_owned(), days.as_value().clone())).collect();
    schemars::json_schema!({"type": "object", "properties": kinds, "additionalProperties": false, "x-allowed": "days by kind of rule"})
}

impl Default for EvidenceConfig {
    fn default() -> Self {
        Self {
            delivery: EvidenceDelivery::Mqtt,
            storage: None,
            jpeg_quality: 85,
            strip: true,
            keep_days: 30,
            keep_days_of: BTreeMap::new(),
            snapshot_keep_days: None,
            max_bytes: evidence::MAX_BYTES,
            min_free: evidence::MIN_FREE,
            encryption: None,
            clips: ClipsConfig::default(),
        }
    }
}

/// How much of an incident leaves the box; who may see what the hub has is the hub's affair.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Disclosure {
    /// That something of some kind is there, under ids, and since when. No picture, no place, no name, no boxes.
    None,
    /// Also the crop, the boxes, and the official ids of device and place. Neither overview nor names, address and position.
    Limited,
    /// Everything that an event has.
    #[default]
    Full,
}

/// How a picture reaches the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceDelivery {
    /// As bytes on the topic `evidence/{incident}/{evidence}`, before the event that names it.
    Mqtt,
    /// As an object in a storage, put there before the event that names it goes.
    Http,
    /// It stays on the box.
    None,
}

/// Where a camera looks; every field is optional and left out of events if absent.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PlaceConfig {
    /// Street address.
    pub address: Option<String>,
    /// 15-digit grid-cell id.
    #[schemars(regex(pattern = r"^[0-9]{15}$"), extend("x-allowed" = "15 digits in quotes"))]
    pub grid_id: Option<String>,
    /// 6-digit administrative division.
    #[schemars(regex(pattern = r"^[0-9]{6}$"), extend("x-allowed" = "6 digits in quotes"))]
    pub division_code: Option<String>,
    /// Position on the map.
    pub point: Option<PointConfig>,
}

/// A position on the map with the reference system it is in; never converted.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PointConfig {
    /// Longitude in degrees.
    #[schemars(range(min = -180, max = 180))]
    pub lon: f64,
    /// Latitude in degrees.
    #[schemars(range(min = -90, max = 90))]
    pub lat: f64,
    /// Reference system of the two numbers.
    pub crs: Crs,
    /// Radius of uncertainty in metres.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub accuracy_m: Option<f64>,
}

/// Coordinate reference system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Crs {
    /// China Geodetic Coordinate System 2000.
    #[serde(rename = "CGCS2000")]
    Cgcs2000,
    /// World Geodetic System 1984.
    #[serde(rename = "WGS84")]
    Wgs84,
    /// The offset system of Chinese web maps.
    #[serde(rename = "GCJ02")]
    Gcj02,
}

impl Crs {
    /// Degrees of longitude and latitude in which it is in use: of CGCS2000 those of EPSG:4490, with the sea; of GCJ-02 the bounds of its
    /// shift.
    #[must_use]
    pub fn area(self) -> ([f64; 2], [f64; 2]) {
        match self {
            Self::Cgcs2000 => ([73.0, 136.0], [3.0, 54.0]),
            Self::Gcj02 => ([72.004, 137.8347], [0.8293, 55.8271]),
            Self::Wgs84 => ([-180.0, 180.0], [-90.0, 90.0]),
        }
    }

    /// Whether a point can be one of this system.
    #[must_use]
    pub fn covers(self, lon: f64, lat: f64) -> bool {
        let ([west, east], [south, north]) = self.area();
        (west..=east).contains(&lon) && (south..=north).contains(&lat)
    }
}

/// One camera with its zones and rules.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CameraConfig {
    /// Unique among the cameras; a level of MQTT topics.
    pub id: Name,
    /// Name for people.
    #[serde(default)]
    pub name: Option<String>,
    /// 20-digit device id of GB/T 28181.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[0-9]{20}$"), extend("x-allowed" = "20 digits in quotes"))]
    pub gb28181_id: Option<String>,
    /// Where this camera looks.
    #[serde(default)]
    pub place: PlaceConfig,
    /// False leaves the camera alone, and says so in its status.
    #[serde(default = "default_true")]
    pub enabled: bool,
    /// Its streams.
    pub streams: StreamsConfig,
    /// How much of the detect stream is analysed.
    #[serde(default)]
    pub analysis: AnalysisConfig,
    /// Areas of the picture.
    #[serde(default)]
    pub zones: Vec<ZoneConfig>,
    /// Areas that nobody may look into (windows, gardens), each with its corners like the polygon of a zone: painted over in every frame, before
    /// anything else sees it, and so in every picture.
    #[serde(default)]
    pub privacy_masks: Vec<ZonePolygon>,
    /// What to report.
    #[serde(default)]
    pub rules: Vec<RuleConfig>,
}

impl CameraConfig {
    /// What is painted over in its frames.
    #[must_use]
    pub fn masks(&self) -> PrivacyMasks {
        PrivacyMasks::new(self.privacy_masks.iter().map(|area| area.0.clone()))
    }
}

fn default_true() -> bool {
    true
}

/// How much of the stream is analysed.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AnalysisConfig {
    /// What is decoded while nothing goes on: `keyframes`, those pictures that need no other, which come every few seconds and
    /// cost a tenth; or so many frames per second, for which the whole stream is decoded.
    pub idle: IdlePace,
    /// Frames analysed per second at most while something that a rule is about moves in a zone, or an incident is about to open or
    /// close; frames are dropped evenly when the box cannot keep up.
    #[schemars(range(min = 0.1, max = 30))]
    pub active: f64,
    /// A scene that does not change is inferred at least once in so many seconds; at 0 every frame is, changed or not. While something
    /// is pending, every frame is.
    #[schemars(range(min = 0, max = 3600))]
    pub max_idle_secs: f64,
    /// Which part of the picture is inferred.
    pub region: Region,
}

/// Which part of the picture is inferred. Where it is not all of it, the whole picture is inferred as well when something is reported, so that
/// people and vehicles outside the part are redacted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Region {
    /// All of it.
    #[default]
    Frame,
    /// The box around the zones, with room for what stands in them: seen larger, so that what is small or far away is found.
    Zones,
    /// The same box, or the whole picture if there are no zones, and four overlapping tiles of it: finds the smallest things, and costs
    /// five inferences.
    Tiles,
}

impl Default for AnalysisConfig {
    fn default() -> Self {
        Self { idle: IdlePace::KeyFrames, active: 4.0, max_idle_secs: 10.0, region: Region::Frame }
    }
}

/// An area of the picture.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ZoneConfig {
    /// Unique within the camera.
    pub id: Name,
    /// Name for people.
    #[serde(default)]
    pub name: Option<String>,
    /// Corners `[x, y]` in order, 0..1 from the top left; at least three, no edge crossing another.
    pub polygon: ZonePolygon,
}

/// A [`Polygon`] as it stands in the configuration.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(try_from = "Vec<[f32; 2]>", into = "Vec<[f32; 2]>")]
pub struct ZonePolygon(pub Polygon);

impl TryFrom<Vec<[f32; 2]>> for ZonePolygon {
    type Error = crate::geometry::PolygonError;
    fn try_from(corners: Vec<[f32; 2]>) -> Result<Self, Self::Error> {
        Polygon::try_new(&corners).map(Self)
    }
}

impl From<ZonePolygon> for Vec<[f32; 2]> {
    fn from(zone: ZonePolygon) -> Self {
        zone.0.corners().iter().map(|point| [point.x, point.y]).collect()
    }
}

impl JsonSchema for ZonePolygon {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ZonePolygon".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "array",
            "x-allowed": "at least 3 corners [x, y], both from 0 to 1",
            "items": {
                "type": "array", "minItems": 2, "maxItems": 2,
                "items": {"type": "number", "minimum": 0, "maximum": 1}
            }
        })
    }
}
