//! What an event passes before it leaves, seen by the hub: related, completed, with its reservations; and what must not leave does not.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "common/contract.rs"]
mod contract;
#[expect(dead_code, reason = "this test neither kills nor reloads the broker")]
#[path = "common/mosquitto.rs"]
mod mosquitto;
#[path = "common/recorded.rs"]
mod recorded;

use contract::Wire;
use curbwatch::analysis::Finding;
use curbwatch::config::Config;
use curbwatch::contract::IncidentEvent;
use curbwatch::evidence::{SensitiveKind, SensitiveObject};
use curbwatch::faces::{FaceFinder, FacesError};
use curbwatch::frame::{ColorMatrix, ColorRange, Frame, FrameLayout, FrameStamp, PixelFormat};
use curbwatch::geometry::BBox;
use curbwatch::hub::{Content, Sight, WatchSettings, Watcher};
use curbwatch::incident::{Incident, Phase};
use curbwatch::picture::PictureState;
use curbwatch::quality::{QualityStage, Tally};
use mosquitto::Mosquitto;
use recorded::{Agent, finding, name};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const LIMIT: Duration = Duration::from_secs(30);
const EAST: usize = 0;
const ABROAD: usize = 1;
const NORTH: usize = 2;

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

/// The next events that the hub gets.
fn events(hub: &Watcher, count: usize) -> Vec<IncidentEvent> {
    let mut events = Vec::new();
    while events.len() < count {
        match hub.next(LIMIT).expect("an event arrives in time") {
            Sight::Message(message) => {
                if let Content::Incident(event) = message.content {
                    events.push(event);
                }
            }
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
    let hub =
        Watcher::start(WatchSettings { host, port: broker.port(), prefix, credentials: None, tls: None }).unwrap();
    assert_eq!(hub.next(LIMIT), Some(Sight::Connected));
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Agent::new(folder.path(), config(broker.port()));
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

/// A frame of one grey.
fn grey() -> Arc<Frame> {
    let layout = FrameLayout {
        width: 320,
        height: 240,
        format: PixelFormat::I420,
        matrix: ColorMatrix::Bt709,
        range: ColorRange::Limited,
        strides: [320, 160, 160],
    };
    let stamp = FrameStamp::of_recording(Duration::ZERO, jiff::Timestamp::UNIX_EPOCH, 0);
    let planes = [vec![100; 320 * 240], vec![128; 160 * 120], vec![128; 160 * 120]];
    Arc::new(Frame::try_from_planes(layout, stamp, planes).unwrap())
}

/// Sees one face, or cannot look.
struct OneFace {
    can_look: bool,
}

impl FaceFinder for OneFace {
    fn find(&mut self, _: &Frame) -> Result<Vec<SensitiveObject>, FacesError> {
        if !self.can_look {
            return Err(curbwatch::install::manifest("no-such-model").unwrap_err().into());
        }
        let bbox = BBox::try_new(0.6, 0.1, 0.7, 0.2).unwrap();
        Ok(vec![SensitiveObject { kind: SensitiveKind::Head, bbox }])
    }
}

#[test]
fn a_picture_in_which_faces_cannot_be_looked_for_is_withheld_and_the_event_says_so() {
    let broker = Mosquitto::anonymous();
    let (host, prefix) = ("127.0.0.1".into(), name("curbwatch"));
    let hub =
        Watcher::start(WatchSettings { host, port: broker.port(), prefix, credentials: None, tls: None }).unwrap();
    assert_eq!(hub.next(LIMIT), Some(Sight::Connected));
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Agent::new(folder.path(), config(broker.port()));
    for can_look in [false, true] {
        let incident = agent.incident();
        let finding = finding(EAST, Phase::Opened, &incident, PictureState::Ok);
        agent.record_with(Box::new(OneFace { can_look }), vec![Finding { frame: Some(grey()), ..finding }]);
    }
    let events = events(&hub, 2);
    let [withheld, pictured] = &events[..] else { panic!("two events") };
    assert_eq!(
        (withheld.data.evidence.len(), &withheld.data.quality.flags[..]),
        (0, &["evidence_failed".to_owned()][..])
    );
    assert_eq!(pictured.data.evidence[0].redaction.classes, ["person_head"]);
    let on_disk = files(folder.path()).into_iter().filter(|file| file.extension().is_some_and(|end| end == "jpg"));
    assert_eq!(on_disk.count(), 1, "nothing of the withheld one is on disk");
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
