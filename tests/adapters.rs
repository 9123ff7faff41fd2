//! The whole agent with a webhook and ONVIF properties: what waited on disk goes, and what ends at the start is told on every way.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "common/agent.rs"]
mod agent;
#[path = "common/made_up.rs"]
mod made_up;
#[expect(dead_code, reason = "this test neither kills nor reloads the broker")]
#[path = "common/mosquitto.rs"]
mod mosquitto;
#[expect(dead_code, reason = "this platform takes everything")]
#[path = "webhook/platform.rs"]
mod platform;

use agent::Agent;
use curbwatch::clock::{Clocks, Mono, SystemClocks};
use curbwatch::config::{CameraConfig, RuleKind};
use curbwatch::contract::{
    CLOUDEVENTS_JSON, EventParts, FrameSize, Health, ModelIdentity, Topics, incident_event, to_json,
};
use curbwatch::hub::{Content, Sight, WatchSettings, Watcher};
use curbwatch::ids::{IdSource, Name};
use curbwatch::incident::Phase;
use curbwatch::store::{Adapters, Change, Message, Store};
use jiff::tz::TimeZone;
use mosquitto::Mosquitto;
use platform::Platform;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The hub hears of health every 10 s.
const SILENCE: Duration = Duration::from_mins(1);
const LIMIT: Duration = Duration::from_secs(30);

fn name(text: &str) -> Name {
    Name::try_new(text).unwrap()
}

fn camera(rule: &str) -> Value {
    json!({
        "id": "east", "enabled": false, "streams": {"detect": {"url": "rtsp://127.0.0.1:1/"}},
        "zones": [{"id": "lane", "polygon": [[0, 0], [1, 0], [1, 1]]}],
        "rules": [{"id": rule, "kind": "fire_lane_blocked", "zones": ["lane"]}]
    })
}

/// Leaves an open incident on the disk of an agent that has stopped before it could say so.
fn leave_an_incident(data: &Path) {
    let clocks = SystemClocks::new();
    let (wall, mut ids) = (clocks.wall(), IdSource::from_seed(1));
    let mut store = Store::open(&data.join("curbwatch.db"), wall).unwrap();
    store.set_adapters(Adapters { webhook: true, onvif: Some("city/box".to_owned()), ..Adapters::default() }).unwrap();
    let camera: CameraConfig = serde_json::from_value(camera("fire")).unwrap();
    let (transition, id) = (made_up::transition(ids.next(wall), Phase::Opened, wall), ids.next(wall));
    let parts = EventParts {
        agent: &name("box"),
        time_zone: &TimeZone::UTC,
        camera: &camera,
        rule: &camera.rules[0],
        frame: FrameSize { width: 1280, height: 720 },
        evidence: &[],
        model: &ModelIdentity { name: "test".into(), sha256: "0".repeat(64), provider: "cpu".into() },
        config_sha256: &"1".repeat(64),
    };
    let kind = RuleKind::FireLaneBlocked;
    let change = Change { camera: &camera.id, kind, incident: &transition.incident, evidence: &[], now: wall };
    let topic = Topics::new(&name("curbwatch"), &name("s"), &name("box")).event(&camera.id, kind);
    let message = |sequence| Message {
        topic: topic.clone(),
        content_type: CLOUDEVENTS_JSON,
        payload: to_json(&incident_event(id, sequence, &transition, &parts)),
    };
    store.record(&change, message).unwrap();
}

fn start(folder: &Path, broker: &Mosquitto, platform: &Platform, rule: &str) -> Agent {
    let config = folder.join("edge.yaml");
    let site = json!({
        "agent": {"site": "s", "id": "box", "data_dir": folder}, "web": {"enabled": false}, "cameras": [camera(rule)],
        "hub": {
            "host": "127.0.0.1", "port": broker.port(), "onvif": {"topic_prefix": "city/box"},
            "webhook": {"url": format!("http://127.0.0.1:{}/report", platform.port)}
        }
    });
    std::fs::write(&config, site.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_curbwatch"));
    command.args(["run", "--config"]).arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
    Agent(command.spawn().unwrap())
}

/// The topics below `city/` that the broker retains.
fn retained(broker: &Mosquitto) -> Vec<String> {
    let port = broker.port().to_string();
    let arguments = ["-p", &port, "-V", "5", "-t", "city/#", "--retained-only", "-W", "1", "-F", "%t"];
    let output = Command::new("mosquitto_sub").args(arguments).output().expect("mosquitto_sub is installed");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let clocks = SystemClocks::new();
    while !condition() {
        assert!(clocks.mono() < Mono(LIMIT), "waited in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// The first `health` in which the webhook has taken something.
fn health(hub: &Watcher) -> Health {
    loop {
        if let Sight::Message(message) = hub.next(SILENCE).expect("the hub hears something")
            && let Content::Health(health) = message.content
            && health.webhook.as_ref().is_some_and(|webhook| webhook.taken > 0)
        {
            return health;
        }
    }
}

#[test]
fn what_waited_goes_on_every_way_and_so_does_what_ends_at_the_start() {
    let (broker, platform, folder) = (Mosquitto::anonymous(), Platform::start(), tempfile::tempdir().unwrap());
    leave_an_incident(folder.path());
    let (host, prefix) = ("127.0.0.1".into(), name("curbwatch"));
    let hub =
        Watcher::start(WatchSettings { host, port: broker.port(), prefix, credentials: None, tls: None }).unwrap();
    let mut agent = start(folder.path(), &broker, &platform, "fire");
    let webhook = health(&hub).webhook.unwrap();
    assert_eq!((webhook.backlog, webhook.trouble), (0, None));
    assert_eq!(retained(&broker), ["city/box/onvif-ej/RuleEngine/curbwatch:fire_lane_blocked/&east/fire"]);
    agent.stop();
    // The rule is gone: its incident ends, of which nobody but the agent at its start knows.
    let mut agent = start(folder.path(), &broker, &platform, "other");
    wait_until("the platform hears of the end", || platform.taken().len() == 2);
    wait_until("nothing is retained", || retained(&broker).is_empty());
    agent.stop();
    let told: Vec<Value> = platform.taken().iter().map(|message| message["phase"].clone()).collect();
    assert_eq!(told, ["opened", "closed"]);
    assert_eq!(platform.taken()[1]["closedReason"], "rule_removed");
    assert_eq!(platform.taken()[0]["incidentId"], platform.taken()[1]["incidentId"]);
    broker.assert_no_protocol_error();
}
