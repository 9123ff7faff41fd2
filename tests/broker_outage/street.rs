//! An agent that records made-up incidents, and a hub that checks everything it receives against the published schemas.

#[path = "../common/made_up.rs"]
mod made_up;

use crate::mosquitto::Mosquitto;
use curbwatch::clock::{Clocks, Mono, SystemClocks};
use curbwatch::config::{BrokerConfig, CameraConfig, HubTransport, Protocol, RuleKind, SecretSource, StorageConfig};
use curbwatch::contract::*;
use curbwatch::evidence::Keyring;
use curbwatch::geometry::BBox;
use curbwatch::hub::{Content, Ledger, PictureOutcome, Pictures, Sight, Sighting, WatchSettings, Watcher, sha256_hex};
use curbwatch::ids::{IdSource, Name};
use curbwatch::incident::Phase;
use curbwatch::mqtt::{BackOffSettings, FromHub, Link, LinkStats, MqttSettings};
use curbwatch::store::{Change, Destination, EvidenceFile, Message, SharedStore, Store};
use jiff::tz::TimeZone;
use made_up::transition;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use uuid::Uuid;

/// Time within which what a test waits for must happen.
const LIMIT: Duration = Duration::from_secs(30);

fn name(text: &str) -> Name {
    Name::try_new(text).unwrap()
}

/// Store and link of an agent with one camera.
pub struct Agent {
    pub link: Option<Arc<Link>>,
    pub store: SharedStore,
    pub topics: Topics,
    pub camera: CameraConfig,
    /// Where pictures are put, if not at the broker.
    pub storage: Option<StorageConfig>,
    folder: tempfile::TempDir,
    clocks: Arc<dyn Clocks>,
    ids: IdSource,
}

impl Agent {
    pub fn new(port: u16) -> Self {
        Self::with_clocks(port, Arc::new(SystemClocks::new()), |_| {})
    }

    /// By other clocks, and with other settings.
    pub fn with_clocks(port: u16, clocks: Arc<dyn Clocks>, change: impl FnOnce(&mut MqttSettings)) -> Self {
        Self::build(port, None, change, None, clocks)
    }

    pub fn with_password(port: u16, user: &str, password: &Path) -> Self {
        Self::build(
            port,
            Some((user.to_owned(), SecretSource::File(password.to_owned()))),
            |_| {},
            None,
            Arc::new(SystemClocks::new()),
        )
    }

    /// With other settings, and listening to the hub.
    pub fn with(port: u16, change: impl FnOnce(&mut MqttSettings), inbox: Option<SyncSender<FromHub>>) -> Self {
        Self::build(port, None, change, inbox, Arc::new(SystemClocks::new()))
    }

    fn build(
        port: u16,
        credentials: Option<(String, SecretSource)>,
        change: impl FnOnce(&mut MqttSettings),
        inbox: Option<SyncSender<FromHub>>,
        clocks: Arc<dyn Clocks>,
    ) -> Self {
        LazyLock::force(&LOG);
        let topics = Topics::new(&name("curbwatch"), &name("hangzhou"), &name("box"));
        let (username, password) = credentials.unzip();
        let quick = |first| BackOffSettings { first: Duration::from_millis(first), cap: Duration::from_millis(400) };
        let mut settings = MqttSettings {
            protocol: Protocol::V5,
            max_packet_bytes: None,
            brokers: vec![BrokerConfig { host: "127.0.0.1".into(), port }],
            tls: None,
            transport: HubTransport::Tcp,
            websocket_path: "/mqtt".into(),
            client_id: "box".into(),
            username,
            password,
            keep_alive: Duration::from_secs(5),
            replay_per_sec: 100,
            heartbeat: Duration::from_millis(200),
            topics: topics.clone(),
            time_zone: TimeZone::UTC,
            reconnect: quick(50),
            retry_refused: quick(100),
            keys: Keyring::default(),
        };
        change(&mut settings);
        let folder = tempfile::tempdir().unwrap();
        let store = SharedStore::new(Store::open(&folder.path().join("agent.db"), clocks.wall()).unwrap());
        let link = Link::start(settings, store.clone(), Arc::clone(&clocks), inbox).unwrap();
        let link = Arc::new(link);
        let camera = serde_json::from_value(serde_json::json!({
            "id": "east", "streams": {"detect": {"url": "rtsp://192.0.2.1/"}},
            "zones": [{"id": "lane", "polygon": [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]}],
            "rules": [{"id": "fire", "kind": "fire_lane_blocked", "zones": ["lane"]}]
        }))
        .unwrap();
        Self { link: Some(link), store, topics, camera, storage: None, folder, clocks, ids: IdSource::from_seed(1) }
    }

    pub fn stats(&self) -> LinkStats {
        self.link.as_ref().unwrap().stats()
    }

    /// Records a change of a new incident and tells the link.
    pub fn record(&mut self, phase: Phase, with_picture: bool) {
        self.record_quietly(phase, with_picture);
        self.link.as_ref().unwrap().wake();
    }

    /// Records a change of a new incident.
    pub fn record_quietly(&mut self, phase: Phase, with_picture: bool) {
        let incident = self.new_id();
        self.record_change(incident, phase, with_picture);
    }

    pub fn new_id(&mut self) -> Uuid {
        self.ids.next(self.clocks.wall())
    }

    /// Records a change of a certain incident.
    pub fn record_change(&mut self, incident: Uuid, phase: Phase, with_picture: bool) {
        let wall = self.clocks.wall();
        let event_id = self.ids.next(wall);
        let transition = transition(incident, phase, wall);
        let files: Vec<EvidenceFile> = with_picture.then(|| self.picture(incident, phase)).into_iter().collect();
        let evidence: Vec<Evidence> = files.iter().map(|file| file.evidence.clone()).collect();
        let model = ModelIdentity { name: "test".into(), sha256: "0".repeat(64), provider: "cpu".into() };
        let parts = EventParts {
            agent: &name("box"),
            time_zone: &TimeZone::UTC,
            camera: &self.camera,
            rule: &self.camera.rules[0],
            frame: FrameSize { width: 1280, height: 720 },
            evidence: &evidence,
            model: &model,
            config_sha256: &"1".repeat(64),
        };
        let change = Change {
            camera: &self.camera.id,
            kind: RuleKind::FireLaneBlocked,
            incident: &transition.incident,
            evidence: &files,
            now: wall,
        };
        let topic = self.topics.event(&self.camera.id, RuleKind::FireLaneBlocked);
        let message = |sequence| {
            let event = incident_event(event_id, sequence, &transition, &parts);
            Message { topic: topic.clone(), content_type: CLOUDEVENTS_JSON, payload: to_json(&event) }
        };
        self.store.lock().record(&change, message).unwrap();
    }

    fn picture(&mut self, incident: Uuid, phase: Phase) -> EvidenceFile {
        let wall = self.clocks.wall();
        let id = self.ids.next(wall);
        let bytes = id.as_bytes().repeat(200);
        let path = self.folder.path().join(format!("{id}.jpg"));
        std::fs::write(&path, &bytes).unwrap();
        let sha256 = sha256_hex(&bytes);
        let time = WallTime::new(wall, &TimeZone::UTC);
        let (via, destination, topic, reference) = match &self.storage {
            None => {
                let (topic, reference) = (self.topics.evidence(incident, id), Topics::evidence_ref(incident, id));
                (DeliveryVia::Mqtt, Destination::Hub, topic, reference)
            }
            Some(storage) => {
                let name = format!("{incident}/{id}.jpg");
                let reference = storage.object(&name);
                (DeliveryVia::Http, Destination::Storage, name, reference)
            }
        };
        let evidence = Evidence {
            id,
            role: EvidenceRole::of(phase).unwrap(),
            view: EvidenceView::Overview,
            shown: BBox::FRAME,
            media_type: MediaType::Jpeg,
            sha256,
            size_bytes: bytes.len() as u64,
            width: 1280,
            height: 760,
            strip_height: 40,
            captured_at: time,
            duration_secs: None,
            frame_count: None,
            expires_at: time,
            delivery: Delivery { via, reference: Some(reference) },
            redaction: Redaction { applied: true, classes: vec!["person_head".into()], version: 1 },
        };
        EvidenceFile { evidence, path, destination, topic: Some(topic) }
    }

    pub fn birth(&self) -> Vec<u8> {
        to_json(&Birth {
            agent: name("box"),
            site: name("hangzhou"),
            agent_version: "0.0.0".into(),
            started_at: WallTime::new(self.clocks.wall(), &TimeZone::UTC),
            time_zone: "UTC".into(),
            config_sha256: "1".repeat(64),
            models: vec![],
            decoders: vec![],
            cameras: vec![],
            schemas: vec![],
        })
    }

    pub fn camera_status(&self) -> Vec<u8> {
        to_json(&CameraStatus {
            camera: self.camera.id.clone(),
            state: CameraState::Offline,
            since: WallTime::new(self.clocks.wall(), &TimeZone::UTC),
            reason: Some("refused".into()),
            stream: None,
            last_frame: None,
            evidence: None,
            reconnects: 3,
        })
    }

    /// Waits for a condition of the agent, at most [`LIMIT`].
    pub fn wait_until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let until = Mono(self.clocks.mono().0 + LIMIT);
        while !condition(self) {
            assert!(
                self.clocks.mono() < until,
                "waited in vain: {what}; {:?}\n{}",
                self.link.as_ref().map(|link| link.stats()),
                log()
            );
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}

/// What a hub received.
pub struct Hub {
    watcher: Watcher,
    ledger: Ledger,
    pictures: Pictures,
    contents: BTreeMap<Uuid, IncidentEvent>,
    unread: Vec<IncidentEvent>,
    pub connects: usize,
    pub statuses: Vec<AgentStatus>,
    pub topics: BTreeSet<String>,
    pub kinds: Vec<&'static str>,
    pub pictures_right: usize,
    pub replies: Vec<(String, Reply)>,
    pub lost: Option<EventsLost>,
}

impl Hub {
    /// Subscribes and waits until the broker says so.
    pub fn watch(broker: &Mosquitto) -> Self {
        Self::build(broker, None)
    }

    pub fn watch_as(broker: &Mosquitto, user: &str, password: &str) -> Self {
        Self::build(broker, Some((user.to_owned(), password.into())))
    }

    fn build(broker: &Mosquitto, credentials: Option<(String, secrecy::SecretString)>) -> Self {
        let (host, prefix) = ("127.0.0.1".into(), name("curbwatch"));
        let settings = WatchSettings { host, port: broker.port(), prefix, credentials, tls: None };
        let mut hub = Self {
            watcher: Watcher::start(settings).unwrap(),
            ledger: Ledger::default(),
            pictures: Pictures::new(None),
            contents: BTreeMap::new(),
            unread: vec![],
            connects: 0,
            statuses: vec![],
            topics: BTreeSet::new(),
            kinds: vec![],
            pictures_right: 0,
            replies: vec![],
            lost: None,
        };
        hub.wait_until("subscribed", |hub| hub.connects == 1);
        hub
    }

    /// The next thing seen, whatever it is.
    pub fn next(&mut self) -> Sight {
        self.watcher.next(LIMIT).expect("something arrives in time")
    }

    /// The next `count` events that were not seen before.
    pub fn events(&mut self, count: usize) -> Vec<IncidentEvent> {
        self.wait_until("events", |hub| hub.unread.len() >= count);
        self.unread.drain(..count).collect()
    }

    /// Sessions of the agent's statuses of one kind.
    pub fn sessions(&self, state: AgentState) -> Vec<u64> {
        self.statuses.iter().filter(|status| status.status == state).map(|status| status.session).collect()
    }

    /// Takes in what arrives until the condition holds.
    pub fn wait_until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        while !condition(self) {
            let Some(sight) = self.watcher.next(LIMIT) else {
                panic!("waited in vain: {what}; received {:?}\n{}", self.kinds, log())
            };
            self.take(sight);
        }
    }

    fn take(&mut self, sight: Sight) {
        let message = match sight {
            Sight::Connected => return self.connects += 1,
            Sight::Disconnected { .. } => return,
            Sight::Message(message) => message,
        };
        let kind = match message.content {
            Content::Status(status) => {
                check("status", &message.payload);
                self.statuses.push(status);
                "status"
            }
            Content::Incident(event) => {
                check("incident", &message.payload);
                self.take_event(event);
                "event"
            }
            Content::Evidence { evidence, .. } => {
                self.pictures.keep(evidence, message.payload);
                "picture"
            }
            Content::Birth(_) => checked("birth", &message.payload),
            Content::Heartbeat(_) => checked("heartbeat", &message.payload),
            Content::CameraStatus(_) => checked("camera-status", &message.payload),
            Content::CameraImage(_) => checked("image", &message.payload),
            Content::Health(_) => checked("health", &message.payload),
            Content::Active(_) => "active",
            Content::Reply(reply) => {
                check("reply", &message.payload);
                self.replies.push((message.topic.clone(), reply));
                "reply"
            }
            Content::EventsLost(lost) => {
                check("events-lost", &message.payload);
                self.lost = Some(lost);
                "lost"
            }
            Content::Snapshot { .. } => "snapshot",
            Content::ToAgent => "command",
            Content::Unreadable { reason } => panic!("{}: {reason}", message.topic),
        };
        self.topics.insert(message.topic);
        self.kinds.push(kind);
    }

    fn take_event(&mut self, event: IncidentEvent) {
        if self.ledger.enter(&event) == Sighting::Duplicate {
            let mut first = self.contents[&event.id].clone();
            first.data.replayed = event.data.replayed;
            assert_eq!(first, event, "one id with two contents");
            return;
        }
        let right = |outcome: &PictureOutcome| *outcome == PictureOutcome::Right;
        self.pictures_right += self.pictures.settle(&event).iter().filter(|picture| right(&picture.outcome)).count();
        self.contents.insert(event.id, event.clone());
        self.unread.push(event);
    }
}

/// Compares a payload with the published schema.
fn check(message: &'static str, payload: &[u8]) {
    static VALIDATORS: LazyLock<BTreeMap<&'static str, jsonschema::Validator>> = LazyLock::new(|| {
        let validator = |schema| jsonschema::draft202012::new(&schema).unwrap();
        schemas().into_iter().map(|(message, schema)| (message, validator(schema))).collect()
    });
    let payload = serde_json::from_slice(payload).unwrap();
    let mistakes: Vec<String> = VALIDATORS[message].iter_errors(&payload).map(|error| error.to_string()).collect();
    assert!(mistakes.is_empty(), "{message}: {mistakes:?}\n{payload:#}");
}

fn checked(message: &'static str, payload: &[u8]) -> &'static str {
    check(message, payload);
    message
}

/// Adds a user to mosquitto's password file.
pub fn add_user(users: &Path, user: &str, password: &str) {
    let create: &[&str] = if users.exists() { &["-b"] } else { &["-b", "-c"] };
    let status = Command::new("mosquitto_passwd").args(create).arg(users).args([user, password]).status();
    assert!(status.expect("mosquitto_passwd is installed").success());
}

/// Publishes one message with mosquitto's own client.
pub fn publish(broker: &Mosquitto, topic: &str, payload: &str) {
    publish_with(broker, topic, payload, &["-V", "5"]);
}

/// The same with further arguments.
pub fn publish_with(broker: &Mosquitto, topic: &str, payload: &str, arguments: &[&str]) {
    let port = broker.port().to_string();
    let mut command = Command::new("mosquitto_pub");
    command.args(["-p", &port, "-t", topic, "-m", payload, "-q", "1"]).args(arguments);
    assert!(command.status().expect("mosquitto_pub is installed").success());
}

/// Everything that was logged by all tests of this file.
static LOG: LazyLock<Arc<Mutex<Vec<u8>>>> = LazyLock::new(|| {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let writer = Arc::clone(&bytes);
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || Writer(Arc::clone(&writer)))
        .finish();
    tracing::subscriber::set_global_default(subscriber).expect("set once");
    bytes
});

struct Writer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What was logged so far.
pub fn log() -> String {
    String::from_utf8_lossy(&LOG.lock().unwrap()).into_owned()
}
