//! Another configuration while the agent runs: what changed is taken over, the rest goes on, and a wrong file changes nothing.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/agent.rs"]
mod agent;
#[expect(dead_code, reason = "this test neither reloads the broker nor reads its folder")]
#[path = "common/mosquitto.rs"]
mod mosquitto;

use agent::Agent;
use curbwatch::contract::{CameraState, ConfigurationHealth, IncidentEvent};
use curbwatch::hub::{Content, HubMessage, Sight, WatchSettings, Watcher};
use curbwatch::ids::Name;
use curbwatch::incident::{ClosedReason, Phase};
use curbwatch::stage::{self, Footage, FrameSize, Scene, Truth};
use curbwatch::vcam::{Mount, Options, VirtualCamera};
use mosquitto::Mosquitto;
use serde_json::{Value, json};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Longest silence of the hub before the test gives up.
const SILENCE: Duration = Duration::from_mins(1);
/// For how long the streams play before they begin again; the things are away for the first two seconds of it only.
const LENGTH: Duration = Duration::from_secs(45);

/// A street in which a thing stands from the second second on.
fn street(folder: &Path, footage: &Footage, name: &str, scene: Scene) -> (Mount, Truth) {
    let file = folder.join(format!("{name}.mp4"));
    let scene = scene.with_format(FrameSize::try_new(640, 360).unwrap(), 4);
    let truth = stage::render(&scene, footage, &file).unwrap();
    (Mount::for_file(&file).unwrap(), truth)
}

fn camera(cameras: &VirtualCamera, (mount, truth): &(Mount, Truth), dwell_secs: u32) -> Value {
    let kind = truth.things[0].kind;
    let rule = |id: &str, dwell_secs| json!({"id": id, "kind": kind, "zones": truth.zones.iter().map(|zone| zone.id.clone()).collect::<Vec<_>>(), "dwell_secs": dwell_secs});
    json!({
        "id": mount.name, "streams": {"detect": {"url": cameras.url(mount.name.as_str())}}, "zones": truth.zones,
        "rules": [rule("tried", dwell_secs), rule("other", 3600)],
    })
}

/// What the hub hears, in order.
struct Hub(Watcher, Vec<HubMessage>);

impl Hub {
    fn listen<T>(&mut self, what: &str, mut find: impl FnMut(&HubMessage) -> Option<T>) -> T {
        // Health comes every 10 s.
        let mut patience = 12;
        loop {
            let Some(Sight::Message(message)) = self.0.next(SILENCE) else { panic!("waiting for {what}") };
            patience -= usize::from(matches!(message.content, Content::Health(_)));
            let found = find(&message);
            self.1.push(*message);
            match found {
                Some(found) => return found,
                None => assert!(patience > 0, "gave up waiting for {what}"),
            }
        }
    }

    fn event(&mut self, camera: &str, phase: Phase) -> IncidentEvent {
        self.listen(&format!("{phase:?} at {camera}"), |message| {
            event_of(message, camera).filter(|event| event.data.phase == phase).cloned()
        })
    }

    fn configuration(&mut self, what: &str, is_so: impl Fn(&ConfigurationHealth) -> bool) -> ConfigurationHealth {
        self.listen(what, |message| {
            let Content::Health(health) = &message.content else { return None };
            health.configuration.clone().filter(|configuration| is_so(configuration))
        })
    }

    fn events_of(&self, camera: &str) -> Vec<(Phase, Option<ClosedReason>)> {
        let events = self.1.iter().filter_map(|message| event_of(message, camera));
        events.map(|event| (event.data.phase, event.data.closed_reason)).collect()
    }

    fn states_of(&self, camera: &str) -> Vec<CameraState> {
        let state = |message: &HubMessage| {
            let Content::CameraStatus(status) = &message.content else { return None };
            (status.camera.as_str() == camera).then_some(status.state)
        };
        self.1.iter().filter_map(state).collect()
    }
}

fn event_of<'m>(message: &'m HubMessage, camera: &str) -> Option<&'m IncidentEvent> {
    let Content::Incident(event) = &message.content else { return None };
    (event.data.camera.id.as_str() == camera).then_some(event)
}

/// The variables of the messages to the service manager, until one has what is wanted.
fn hear(manager: &UnixDatagram, wanted: &str) -> Vec<String> {
    let mut heard = Vec::new();
    while !heard.iter().any(|line| line == wanted) {
        let mut message = [0; 4096];
        let size = manager.recv(&mut message).unwrap_or_else(|_| panic!("never heard {wanted}, but {heard:?}"));
        heard.extend(String::from_utf8_lossy(&message[..size]).lines().map(str::to_owned));
    }
    heard
}

fn hang_up(agent: &Agent) {
    assert!(Command::new("kill").args(["-HUP", &agent.0.id().to_string()]).status().unwrap().success());
}

#[test]
fn what_changed_is_taken_over_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let footage = Footage::load(&curbwatch::install::footage("vtest.avi").unwrap()).unwrap();
    let streets = [
        ("market", Scene::quiet(LENGTH).with_stall(Duration::from_secs(2), LENGTH)),
        ("lane", Scene::quiet(LENGTH).with_van(Duration::from_secs(2), LENGTH).with_seed(2)),
    ]
    .map(|(name, scene)| street(folder.path(), &footage, name, scene));
    let broker = Mosquitto::anonymous();
    let prefix = Name::try_new("curbwatch").unwrap();
    let settings =
        WatchSettings { host: "127.0.0.1".into(), port: broker.port(), prefix, credentials: None, tls: None };
    let mut hub = Hub(Watcher::start(settings).unwrap(), Vec::new());
    assert_eq!(hub.0.next(SILENCE), Some(Sight::Connected));
    let cameras =
        VirtualCamera::start(&Options::looping(streets.iter().map(|(mount, _)| mount.clone()).collect())).unwrap();

    let config = folder.path().join("edge.yaml");
    let write = |filter: &str, watched: Vec<Value>| {
        let text = json!({
            "agent": {"site": "test", "id": "box-1", "data_dir": folder.path().join("data"), "log": {"filter": filter}},
            "hub": {"host": "127.0.0.1", "port": broker.port()}, "web": {"enabled": false}, "cameras": watched,
        });
        std::fs::write(&config, text.to_string()).unwrap();
    };
    let market = |dwell_secs| camera(&cameras, &streets[0], dwell_secs);
    write("info", vec![market(8)]);
    let manager = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(SILENCE)).unwrap();
    let log = folder.path().join("log");
    let mut agent = Agent(
        Command::new(env!("CARGO_BIN_EXE_curbwatch"))
            .args(["run", "--config"])
            .arg(&config)
            .env("NOTIFY_SOCKET", folder.path().join("notify"))
            .stderr(Stdio::from(std::fs::File::create(&log).unwrap()))
            .spawn()
            .unwrap(),
    );
    let opened = hub.event("market", Phase::Opened);

    // A wrong file is refused, and says why; here it is noticed without a signal.
    write("info", vec![market(0)]);
    let refused = hub.configuration("a refusal", |configuration| configuration.refused.is_some());
    assert!(refused.refused.unwrap().contains("dwell_secs is 0"));
    hear(&manager, "RELOADING=1");
    hear(&manager, "READY=1");

    // Another camera, another dwell, another filter of the log; another camera's open incident is not touched.
    write("debug", vec![market(9), camera(&cameras, &streets[1], 6)]);
    hang_up(&agent);
    let heard = hear(&manager, "READY=1");
    assert!(heard.iter().any(|line| line.starts_with("MONOTONIC_USEC=")), "{heard:?}");
    let taken = hub.configuration("the new one", |configuration| configuration.refused.is_none());
    assert_ne!(taken.sha256, refused.sha256);
    hub.event("lane", Phase::Opened);

    // A camera that goes takes what is open with it.
    write("debug", vec![market(9)]);
    hang_up(&agent);
    let closed = hub.event("lane", Phase::Closed);
    assert_eq!(closed.data.closed_reason, Some(ClosedReason::CameraRemoved));

    // What needs a restart is said, and not taken over.
    let text = std::fs::read_to_string(&config).unwrap().replace("/data\"", "/elsewhere\"");
    std::fs::write(&config, text).unwrap();
    hang_up(&agent);
    let asks = hub.configuration("what needs a restart", |configuration| !configuration.needs_restart.is_empty());
    assert_eq!(asks.needs_restart, ["agent.data_dir"]);

    agent.stop();
    assert_eq!(
        hub.events_of("market"),
        [(Phase::Opened, None)],
        "one thing is one incident: {}",
        opened.data.incident_id
    );
    let states = hub.states_of("market");
    let first_online = states.iter().position(|state| *state == CameraState::Online).unwrap();
    assert!(states[first_online..].iter().all(|state| *state == CameraState::Online), "its stream went on: {states:?}");
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("is not taken over") && log.contains(" DEBUG "), "{log}");
}
