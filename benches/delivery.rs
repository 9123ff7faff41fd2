//! What the way to the hub carries: incidents a second into the store, acknowledged publishes a second to a mosquitto on the same box, and
//! the time that store and link add to an event when one comes per second.
//!
//! Bars: 2 000, 1 500, and 5 ms beside a bare client that publishes the same bytes in turns. Wall time, since disk and broker are part of
//! it: run it on a box that does nothing else. Prints medians and adds to `target/bench.json`.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

#[path = "../tests/common/made_up.rs"]
mod made_up;
#[path = "common/measure.rs"]
mod measure;
#[expect(dead_code, reason = "a bench neither kills nor reloads the broker")]
#[path = "../tests/common/mosquitto.rs"]
mod mosquitto;

use curbwatch::clock::{Clocks, Mono, SystemClocks};
use curbwatch::config::{Config, RuleKind};
use curbwatch::contract::{CLOUDEVENTS_JSON, EventParts, FrameSize, ModelIdentity, incident_event, to_json};
use curbwatch::hub::{Content, Sight, WatchSettings, Watcher};
use curbwatch::ids::{IdSource, Name};
use curbwatch::incident::{Phase, Transition};
use curbwatch::mqtt::{Link, MqttSettings};
use curbwatch::store::{Change, Destination, Message, SharedStore, Store};
use jiff::tz::TimeZone;
use made_up::transition;
use measure::{Bar, Figure, median, print_table, report};
use mosquitto::Mosquitto;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{Client, MqttOptions};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const ROUNDS: usize = 5;
const INCIDENTS: u32 = 2_000;
const EVENTS: usize = 20;
const STORE_BAR: f64 = 2_000.0;
const PUBLISH_BAR: f64 = 1_500.0;
const LATENCY_BAR_MS: f64 = 5.0;
const LIMIT: Duration = Duration::from_secs(30);

fn main() {
    let (stored, published): (Vec<f64>, Vec<f64>) = (0..ROUNDS).map(|_| rates()).unzip();
    let (agent_ms, bare_ms) = latencies_ms();
    let (stored, published, added) = (median(&stored), median(&published), agent_ms - bare_ms);
    let figure = |name: &str, unit, value: f64, floor: f64, bar| {
        let (name, ratio) = (name.to_owned(), value / floor);
        Figure { name, unit, value, floor, ratio, bar }
    };
    let figures = [
        figure("store_incidents_per_second", "per second", stored, STORE_BAR, Bar::AtLeast(1.0)),
        figure("publishes_acknowledged", "per second", published, PUBLISH_BAR, Bar::AtLeast(1.0)),
        figure("delivery_latency_added", "ms", added, LATENCY_BAR_MS, Bar::AtMost(1.0)),
        figure("delivery_latency", "ms, beside a bare client", agent_ms, bare_ms, Bar::None),
    ];
    print_table(&figures);
    report(&figures);
}

/// An agent with one camera, and what it says.
struct Agent {
    folder: tempfile::TempDir,
    config: Config,
    clocks: Arc<dyn Clocks>,
    store: SharedStore,
    ids: IdSource,
}

impl Agent {
    fn new(port: u16) -> Self {
        let config = serde_json::json!({
            "agent": {"site": "s", "id": "box"}, "hub": {"host": "127.0.0.1", "port": port},
            "cameras": [{
                "id": "east", "streams": {"detect": {"url": "rtsp://192.0.2.1/"}},
                "zones": [{"id": "lane", "polygon": [[0, 0], [1, 0], [1, 1]]}],
                "rules": [{"id": "fire", "kind": "fire_lane_blocked", "zones": ["lane"]}]
            }]
        });
        // Beside the build, since a temporary folder may lie in memory.
        let folder = tempfile::tempdir_in(measure::target()).unwrap();
        let clocks = Arc::new(SystemClocks::new()) as Arc<dyn Clocks>;
        let store = SharedStore::new(Store::open(&folder.path().join("agent.db"), clocks.wall()).unwrap());
        Self { folder, config: serde_json::from_value(config).unwrap(), clocks, store, ids: IdSource::from_seed(1) }
    }

    fn link(&self) -> Link {
        let settings = MqttSettings {
            replay_per_sec: 1_000_000,
            ..MqttSettings::new(&self.config.agent, &self.config.hub, TimeZone::UTC)
        };
        Link::start(settings, self.store.clone(), Arc::clone(&self.clocks), None).unwrap()
    }

    fn topic() -> String {
        "curbwatch/v1/s/box/camera/east/event/fire_lane_blocked".to_owned()
    }

    /// Records a new incident; returns the id of its event.
    fn record(&mut self) -> Uuid {
        let wall = self.clocks.wall();
        let (incident, event) = (self.ids.next(wall), self.ids.next(wall));
        let transition = transition(incident, Phase::Opened, wall);
        let change = Change {
            camera: &self.config.cameras[0].id,
            kind: RuleKind::FireLaneBlocked,
            incident: &transition.incident,
            evidence: &[],
            now: wall,
        };
        let message = |sequence| self.message(event, sequence, &transition);
        self.store.lock().record(&change, message).unwrap();
        event
    }

    fn message(&self, id: Uuid, sequence: u64, transition: &Transition) -> Message {
        let camera = &self.config.cameras[0];
        let parts = EventParts {
            agent: &self.config.agent.id,
            time_zone: &TimeZone::UTC,
            camera,
            rule: &camera.rules[0],
            frame: FrameSize { width: 1920, height: 1080 },
            evidence: &[],
            model: &ModelIdentity { name: "made-up".into(), sha256: "0".repeat(64), provider: "cpu".into() },
            config_sha256: &"0".repeat(64),
        };
        let payload = to_json(&incident_event(id, sequence, transition, &parts));
        Message { topic: Self::topic(), content_type: CLOUDEVENTS_JSON, payload }
    }
}

/// Incidents a second into the store, each in a transaction of its own, and publishes a second that the broker has acknowledged and the
/// store has let go.
fn rates() -> (f64, f64) {
    let broker = Mosquitto::anonymous();
    let mut agent = Agent::new(broker.port());
    let clocks = Arc::clone(&agent.clocks);
    let began = clocks.mono();
    for _ in 0..INCIDENTS {
        agent.record();
    }
    let stored = f64::from(INCIDENTS) / clocks.mono().since(began).as_secs_f64();
    let link = agent.link();
    wait_until(&*clocks, || link.connected());
    let began = clocks.mono();
    wait_until(&*clocks, || agent.store.lock().backlog(Destination::Hub).unwrap().rows == 0);
    let published = f64::from(INCIDENTS) / clocks.mono().since(began).as_secs_f64();
    assert_eq!(link.stats().acknowledged, u64::from(INCIDENTS));
    assert!(agent.folder.path().exists());
    (stored, published)
}

fn wait_until(clocks: &dyn Clocks, condition: impl Fn() -> bool) {
    let until = Mono(clocks.mono().0 + LIMIT);
    while !condition() {
        assert!(clocks.mono() < until, "waited in vain");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// Median time from a change to the hub through store and link, and that of the same bytes by a bare client; one of each per second.
fn latencies_ms() -> (f64, f64) {
    let broker = Mosquitto::anonymous();
    let mut agent = Agent::new(broker.port());
    let (host, prefix) = ("127.0.0.1".into(), Name::try_new("curbwatch").unwrap());
    let hub =
        Watcher::start(WatchSettings { host, port: broker.port(), prefix, credentials: None, tls: None }).unwrap();
    assert_eq!(hub.next(LIMIT), Some(Sight::Connected));
    let clocks = Arc::clone(&agent.clocks);
    let link = agent.link();
    wait_until(&*clocks, || link.connected());
    let (client, mut connection) = Client::new(MqttOptions::new("bare", "127.0.0.1", broker.port()), 10);
    let poll = std::thread::Builder::new().name("bare".to_owned());
    poll.spawn(move || connection.iter().take_while(Result::is_ok).for_each(drop)).unwrap();
    let (mut through_agent, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..EVENTS {
        std::thread::park_timeout(Duration::from_millis(500));
        let began = clocks.mono();
        let id = agent.record();
        link.wake();
        through_agent.push(arrival_ms(&hub, id, &*clocks, began));
        std::thread::park_timeout(Duration::from_millis(500));
        let wall = clocks.wall();
        let id = agent.ids.next(wall);
        let message = agent.message(id, 1, &transition(id, Phase::Opened, wall));
        let began = clocks.mono();
        client.publish(message.topic, QoS::AtLeastOnce, false, message.payload).unwrap();
        bare.push(arrival_ms(&hub, id, &*clocks, began));
    }
    (median(&through_agent), median(&bare))
}

/// Waits for an event at the hub.
fn arrival_ms(hub: &Watcher, id: Uuid, clocks: &dyn Clocks, began: Mono) -> f64 {
    loop {
        if let Sight::Message(message) = hub.next(LIMIT).expect("it arrives")
            && let Content::Incident(event) = &message.content
            && event.id == id
        {
            return clocks.mono().since(began).as_secs_f64() * 1e3;
        }
    }
}
