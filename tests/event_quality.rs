//! What an event passes before it leaves, seen by the hub: related, completed, with its reservations; and what must not leave does not.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "common/contract.rs"]
mod contract;
#[expect(dead_code, reason = "this test neither kills nor reloads the broker")]
#[path = "common/mosquitto.rs"]
mod mosquitto;

use contract::Wire;
use curbwatch::analysis::{Finding, Record, Still};
use curbwatch::clock::{ClockQuality, Clocks, MediaTime, Mono, SystemClocks};
use curbwatch::config::Config;
use curbwatch::contract::{Evidence, IncidentEvent, ModelIdentity};
use curbwatch::evidence::EvidenceDir;
use curbwatch::frame::FrameStamp;
use curbwatch::geometry::BBox;
use curbwatch::hub::{Content, Sight, WatchSettings, Watcher};
use curbwatch::ids::{IdSource, Name};
use curbwatch::incident::{Incident, IncidentObject, Phase, Severity, Told, Transition};
use curbwatch::mqtt::{Link, MqttSettings};
use curbwatch::picture::PictureState;
use curbwatch::quality::{Counts, QualityStage, Tally};
use curbwatch::recorder::{Notice, Recorder, RecorderParts};
use curbwatch::store::{SharedStore, Store};
use jiff::tz::TimeZone;
use mosquitto::Mosquitto;
use serde_json::json;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use uuid::Uuid;

const LIMIT: Duration = Duration::from_secs(30);
const EAST: usize = 0;
const ABROAD: usize = 1;
const NORTH: usize = 2;

fn name(text: &str) -> Name {
    Name::try_new(text).unwrap()
}

/// Three cameras: two look at one grid cell, and the point of the third is none of its reference system.
fn config(port: u16) -> Config {
    let camera = |id: &str, place: serde_json::Value| {
        json!({
            "id": id, "place": place, "streams": {"detect": {"url": "rtsp://192.0.2.1/"}},
            "zones": [{"id": "lane", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}],
            "rules": [{"id": "fire", "kind": "fire_lane_blocked", "zones": ["lane"]}]
        })
    };
    let cell = json!({"grid_id": "330110001003005"});
    let site = json!({
        "agent": {"site": "hangzhou", "id": "box"}, "hub": {"host": "127.0.0.1", "port": port},
        "place": {"address": "文一路"},
        "cameras": [
            camera("east", cell.clone()),
            camera("abroad", json!({"point": {"lon": 2.35, "lat": 48.85, "crs": "CGCS2000"}})),
            camera("north", cell),
        ]
    });
    serde_json::from_value(site).unwrap()
}

struct Wake(Arc<Link>);

impl Notice for Wake {
    fn recorded(&self) {
        self.0.wake();
    }
    fn active(&self, _: &Name, _: &Name, _: Vec<Uuid>) {}
    fn snapshot(&self, _: &str, _: Result<Evidence, String>) {}
}

/// Recorder, store and link of an agent.
struct Agent {
    folder: tempfile::TempDir,
    config: Arc<Config>,
    clocks: Arc<dyn Clocks>,
    store: SharedStore,
    link: Arc<Link>,
    counts: Arc<Counts>,
    ids: IdSource,
}

impl Agent {
    fn new(broker: &Mosquitto) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (config, clocks) = (Arc::new(config(broker.port())), Arc::new(SystemClocks::new()) as Arc<dyn Clocks>);
        let store = SharedStore::new(Store::open(&folder.path().join("agent.db"), clocks.wall()).unwrap());
        let settings = MqttSettings::new(&config.agent, &config.hub, TimeZone::UTC);
        let link = Arc::new(Link::start(settings, store.clone(), Arc::clone(&clocks), None).unwrap());
        Self { folder, config, clocks, store, link, counts: Arc::default(), ids: IdSource::from_seed(1) }
    }

    /// Records findings with a recorder that knows what the store does.
    fn record(&self, findings: Vec<Finding>) {
        let mut recorder = Recorder::new(RecorderParts {
            config: Arc::clone(&self.config),
            config_sha256: "0".repeat(64),
            time_zone: TimeZone::UTC,
            model: ModelIdentity { name: "made-up".into(), sha256: "0".repeat(64), provider: "cpu".into() },
            evidence: EvidenceDir::open(self.folder.path()).unwrap(),
            store: self.store.clone(),
            notice: Arc::new(Wake(Arc::clone(&self.link))),
            clocks: Arc::clone(&self.clocks),
            latencies: Arc::default(),
            drops: Arc::default(),
            counts: Arc::clone(&self.counts),
        });
        let (records, found) = sync_channel(findings.len());
        findings.into_iter().for_each(|finding| records.send(Record::Change(finding)).unwrap());
        drop(records);
        recorder.run(&found, &|| false);
    }

    fn incident(&mut self) -> Incident {
        let wall = self.clocks.wall();
        let bbox = BBox::try_new(0.1, 0.2, 0.3, 0.4).unwrap();
        Incident {
            id: self.ids.next(wall),
            rule: name("fire"),
            zone: name("lane"),
            revision: 0,
            first_seen: wall - Duration::from_mins(1),
            confirmed_at: wall,
            last_seen: wall,
            closed_at: None,
            closed_reason: None,
            severity: Severity::High,
            dwell_secs: 60.0,
            bbox,
            objects: vec![IncidentObject { class: "truck".into(), confidence: 0.7, bbox, stationary_secs: 60.0 }],
            suppressed: 0,
            continues: None,
            told: Told::default(),
        }
    }
}

fn finding(camera: usize, phase: Phase, incident: &Incident, picture: PictureState) -> Finding {
    let stamp = FrameStamp {
        media: MediaTime(Duration::from_mins(2)),
        mono: Mono(Duration::from_mins(2)),
        wall: incident.closed_at.unwrap_or(incident.last_seen),
        clock_quality: ClockQuality::Arrival,
        clock_offset: None,
        segment: 0,
    };
    let transition = Transition { phase, at: stamp, incident: incident.clone(), recheck: None };
    Finding { camera, transition, active: vec![], frame: None, sensitive: vec![], still: Still::NotWanted, picture }
}

/// The next events that the hub gets.
fn events(hub: &Watcher, count: usize) -> Vec<IncidentEvent> {
    let mut events = Vec::new();
    while events.len() < count {
        match hub.next(LIMIT).expect("an event arrives in time") {
            Sight::Message(message) => match message.content {
                Content::Incident(event) => events.push(event),
                Content::Unreadable { reason } => panic!("{reason}"),
                _ => {}
            },
            Sight::Connected => {}
            Sight::Disconnected { reason } => panic!("{reason}"),
        }
    }
    events
}

#[test]
fn the_hub_gets_events_related_and_completed_and_none_that_is_wrong() {
    let broker = Mosquitto::anonymous();
    let wire = Wire::listen(&broker);
    let (host, prefix) = ("127.0.0.1".into(), name("curbwatch"));
    let hub = Watcher::start(WatchSettings { host, port: broker.port(), prefix, credentials: None }).unwrap();
    assert_eq!(hub.next(LIMIT), Some(Sight::Connected));
    let mut agent = Agent::new(&broker);
    let (east, abroad, mut north) = (agent.incident(), agent.incident(), agent.incident());
    agent.record(vec![
        finding(EAST, Phase::Opened, &east, PictureState::Ok),
        finding(ABROAD, Phase::Opened, &abroad, PictureState::Ok),
    ]);
    // The clock is set back by an hour while it is pending; and the agent was started anew.
    north.first_seen = north.confirmed_at + Duration::from_mins(59);
    let over = north.last_seen + Duration::from_mins(1);
    let closed = Incident { closed_at: Some(over), revision: 1, ..east.clone() };
    agent.record(vec![
        finding(NORTH, Phase::Opened, &north, PictureState::Blurred),
        finding(EAST, Phase::Closed, &closed, PictureState::Ok),
        finding(NORTH, Phase::Updated, &Incident { revision: 1, ..north.clone() }, PictureState::Ok),
    ]);
    let events = events(&hub, 4);
    assert_eq!(events.iter().map(|event| event.sequence.0).collect::<Vec<_>>(), [1, 2, 3, 4], "no gap for what stayed");
    let [first, second, _, last] = &events[..] else { panic!("four events") };
    assert_eq!(first.data.dedup.related, [] as [Uuid; 0]);
    assert_eq!(second.data.dedup.related, [east.id], "known from before the restart");
    assert_eq!(last.data.dedup.related, [] as [Uuid; 0], "it was over by then");
    let completed = ["matter.code", "place.address", "place.division_code"];
    assert_eq!(first.data.quality.completed, completed);
    assert_eq!(first.data.place.as_ref().unwrap().division_code.as_deref(), Some("330110"));
    assert_eq!(first.data.quality.flags, [] as [String; 0]);
    assert_eq!(second.data.quality.flags, ["times_in_disorder", "picture_blurred"]);
    assert!(second.data.timing.first_seen.instant() <= second.data.timing.confirmed_at.instant());

    let withheld = agent.store.lock().withheld().unwrap().unwrap();
    assert_eq!(withheld.count, 1);
    assert!(withheld.reason.contains("2.35, 48.85"), "{}", withheld.reason);
    let memory = agent.store.lock().memory(&name("abroad"), agent.clocks.wall()).unwrap();
    assert_eq!(memory.open.len(), 1, "it is followed all the same");
    let check = agent.counts.total().of(QualityStage::ErrorCheck);
    assert_eq!(check, Tally { passed: 2, stopped: 1, changed: 2 });
    drop(agent);
    assert_eq!(wire.judge().into_iter().collect::<Vec<_>>(), ["incident", "status"]);
    broker.assert_no_protocol_error();
}
