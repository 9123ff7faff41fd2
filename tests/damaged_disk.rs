//! The whole agent on a disk that is damaged or cannot be written: it says so, keeps what there was, and begins anew or goes on where it stopped.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "common/agent.rs"]
mod agent;
#[path = "common/made_up.rs"]
mod made_up;
#[expect(dead_code, reason = "this test neither kills nor reloads the broker")]
#[path = "common/mosquitto.rs"]
mod mosquitto;

use agent::Agent;
use curbwatch::clock::{Clocks, SystemClocks};
use curbwatch::config::{CameraConfig, RuleKind};
use curbwatch::contract::{
    AgentState, CLOUDEVENTS_JSON, EventParts, FrameSize, Health, ModelIdentity, Topics, incident_event, to_json,
};
use curbwatch::hub::{Content, Sight, WatchSettings, Watcher};
use curbwatch::ids::{IdSource, Name};
use curbwatch::incident::Phase;
use curbwatch::store::{Change, Message, Store};
use jiff::tz::TimeZone;
use mosquitto::Mosquitto;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The hub hears of health every 10 s.
const SILENCE: Duration = Duration::from_mins(1);
/// Messages after which a test gives up.
const PATIENCE: usize = 100;
const EVENTS: u64 = 200;

fn name(text: &str) -> Name {
    Name::try_new(text).unwrap()
}

fn camera() -> Value {
    json!({
        "id": "east", "enabled": false, "streams": {"detect": {"url": "rtsp://127.0.0.1:1/"}},
        "zones": [{"id": "lane", "polygon": [[0, 0], [1, 0], [1, 1]]}],
        "rules": [{"id": "fire", "kind": "fire_lane_blocked", "zones": ["lane"]}]
    })
}

/// Folder and configuration of an agent that has stopped with events on its disk.
struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new(broker: &Mosquitto) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = Self { folder };
        std::fs::create_dir(site.data()).unwrap();
        let config = json!({
            "agent": {"site": "s", "id": "box", "data_dir": site.data()}, "web": {"enabled": false},
            "hub": {"host": "127.0.0.1", "port": broker.port()}, "cameras": [camera()]
        });
        std::fs::write(site.config(), config.to_string()).unwrap();
        let clocks = SystemClocks::new();
        let mut store = Store::open(&site.database(), clocks.wall()).unwrap();
        let mut ids = IdSource::from_seed(1);
        let camera: CameraConfig = serde_json::from_value(camera()).unwrap();
        for _ in 0..EVENTS {
            record(&mut store, &mut ids, &camera, clocks.wall());
        }
        site
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn database(&self) -> PathBuf {
        self.data().join("curbwatch.db")
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("edge.yaml")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn start(&self) -> Agent {
        let log = std::fs::File::create(self.log()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_curbwatch"));
        command.args(["run", "--config"]).arg(self.config()).stdout(Stdio::null()).stderr(log);
        Agent(command.spawn().unwrap())
    }
}

fn record(store: &mut Store, ids: &mut IdSource, camera: &CameraConfig, wall: jiff::Timestamp) {
    let transition = made_up::transition(ids.next(wall), Phase::Opened, wall);
    let (id, kind) = (ids.next(wall), RuleKind::FireLaneBlocked);
    let parts = EventParts {
        agent: &name("box"),
        time_zone: &TimeZone::UTC,
        camera,
        rule: &camera.rules[0],
        frame: FrameSize { width: 1280, height: 720 },
        evidence: &[],
        model: &ModelIdentity { name: "test".into(), sha256: "0".repeat(64), provider: "cpu".into() },
        config_sha256: &"1".repeat(64),
    };
    let change = Change { camera: &camera.id, kind, incident: &transition.incident, evidence: &[], now: wall };
    let topic = Topics::new(&name("curbwatch"), &name("s"), &name("box")).event(&camera.id, kind);
    let message = |sequence| Message {
        topic: topic.clone(),
        content_type: CLOUDEVENTS_JSON,
        payload: to_json(&incident_event(id, sequence, &transition, &parts)),
    };
    store.record(&change, message).unwrap();
}

/// What the hub heard until the first `health` after the agent came online.
struct Heard {
    session: u64,
    sequences: Vec<u64>,
    health: Health,
}

/// Listens until an agent whose session is later than `after` has said how it is, and `events` events came.
fn listen(hub: &Watcher, after: u64, events: usize) -> Heard {
    let (mut session, mut sequences, mut health) = (None, Vec::new(), None);
    for _ in 0..PATIENCE + events {
        let Sight::Message(message) = hub.next(SILENCE).expect("the hub hears something") else { continue };
        if let Content::Status(status) = &message.content {
            let is_new = status.status == AgentState::Online && status.session > after;
            session = is_new.then_some(status.session).or(session);
        } else if let Content::Incident(event) = &message.content {
            sequences.push(event.sequence.0);
        } else if let Content::Health(said) = message.content
            && session.is_some()
        {
            health = Some(said);
        }
        if let (Some(session), Some(health), true) = (session, &health, sequences.len() >= events) {
            return Heard { session, sequences, health: health.clone() };
        }
    }
    panic!("gave up: {session:?}, {} events", sequences.len())
}

fn hub_of(broker: &Mosquitto) -> Watcher {
    let (host, prefix) = ("127.0.0.1".into(), name("curbwatch"));
    let hub =
        Watcher::start(WatchSettings { host, port: broker.port(), prefix, credentials: None, tls: None }).unwrap();
    assert_eq!(hub.next(SILENCE), Some(Sight::Connected));
    hub
}

/// Overwrites the middle of a file; its header stays.
fn damage(path: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(path).unwrap();
    let (from, to) = (bytes.len() / 4, 3 * bytes.len() / 4);
    bytes[from..to].fill(0xa5);
    std::fs::write(path, &bytes).unwrap();
    bytes
}

#[test]
fn a_damaged_database_is_set_aside_reported_to_the_hub_and_begun_anew() {
    let broker = Mosquitto::anonymous();
    let site = Site::new(&broker);
    let damaged = damage(&site.database());
    let hub = hub_of(&broker);
    let mut agent = site.start();
    let first = listen(&hub, 0, 0);
    let aside = first.health.outbox.database_set_aside.expect("the hub is told");
    assert!(aside.contains("curbwatch.db.damaged-"), "{aside}");
    assert_eq!(std::fs::read(&aside).unwrap(), damaged, "what there was is kept as it was");
    assert_eq!(first.health.outbox.backlog, 0);
    let log = std::fs::read_to_string(site.log()).unwrap();
    assert!(log.contains("ERROR") && log.contains(&aside), "{log}");
    agent.stop();
    let mut agent = site.start();
    let second = listen(&hub, first.session, 0);
    assert_eq!(second.health.outbox.database_set_aside, None, "the new one is whole");
    agent.stop();
    broker.assert_no_protocol_error();
}

#[test]
fn on_a_read_only_disk_the_agent_says_so_and_changes_nothing_and_later_all_arrives() {
    let broker = Mosquitto::anonymous();
    let site = Site::new(&broker);
    // In a mount namespace of its own; some containers forbid it, to root too.
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" || exit 99; shift; exec \"$@\"";
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script, "sh"])
        .arg(site.data())
        .arg(env!("CARGO_BIN_EXE_curbwatch"))
        .args(["run", "--config"])
        .arg(site.config())
        .output()
        .expect("unshare is part of every Debian");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(99) || said.contains("unshare failed") {
        println!("not run: this system lets nobody mount anything");
        return;
    }
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("curbwatch.db") && said.contains("cannot be written"), "{said}");
    assert_eq!(std::fs::read_dir(site.data()).unwrap().count(), 1, "nothing is set aside");
    let hub = hub_of(&broker);
    let mut agent = site.start();
    let heard = listen(&hub, 0, EVENTS as usize);
    assert_eq!(heard.sequences, (1..=EVENTS).collect::<Vec<_>>());
    assert_eq!(heard.health.outbox.database_set_aside, None);
    agent.stop();
}
