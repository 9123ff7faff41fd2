//! The agent: made-up streets in fast time, and from the engine on the real thing.

use curbwatch::analysis::{Finding, Record, Still};
use curbwatch::camera::{ClassTable, Engine, EngineRule};
use curbwatch::clips::ClipNews;
use curbwatch::clock::{ClockQuality, Clocks, MediaTime, Mono, SystemClocks};
use curbwatch::config::Config;
use curbwatch::contract::{Evidence, ModelIdentity};
use curbwatch::detect::Detection;
use curbwatch::evidence::{Custody, SensitiveObject};
use curbwatch::faces::{FaceFinder, FacesError};
use curbwatch::frame::{ColorMatrix, ColorRange, Frame, FrameLayout, FrameStamp, PixelFormat};
use curbwatch::geometry::{BBox, Polygon};
use curbwatch::ids::{IdSource, Name};
use curbwatch::incident::{Phase, Terms, Transition};
use curbwatch::mqtt::{BackOffSettings, Farewell, Link, MqttSettings};
use curbwatch::picture::PictureState;
use curbwatch::recorder::{MAX_WAITING, Notice, Recorder, RecorderParts};
use curbwatch::scene::{Attended, Watch};
use curbwatch::store::{Destination, RowId, SharedStore, Store};
use curbwatch::track::StartConfidence;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

/// Where the orders are for a process that is to be the agent.
pub const ENVIRONMENT: &str = "CURBWATCH_TORTURE_AGENT";

const CAMERAS: usize = 4;
/// Things of one camera, in a grid.
const COLUMNS: usize = 6;
const ROWS: usize = 4;
/// Seconds of the street per second.
const SPEED: i32 = 20;
/// Time between two frames, in street time.
const FRAME: Duration = Duration::from_millis(250);
/// A thing is there for so long and away for so long, in street time.
const STAY_SECS: f64 = 9.0;
const AWAY_SECS: f64 = 7.0;

/// What the agent is to do.
#[derive(Serialize, Deserialize)]
pub struct Orders {
    folder: PathBuf,
    port: u16,
    /// When the streets began, on the real clock.
    epoch: Timestamp,
    /// Only deliver what waits, and leave in order.
    pub is_drain: bool,
}

impl Orders {
    pub fn new(folder: &Path, port: u16) -> Self {
        Self { folder: folder.to_owned(), port, epoch: SystemClocks::new().wall(), is_drain: false }
    }

    pub fn from_environment() -> Option<Self> {
        std::env::var(ENVIRONMENT).ok().map(|text| serde_json::from_str(&text).unwrap())
    }

    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap()
    }

    fn ledger(&self) -> PathBuf {
        self.folder.join("ledger")
    }

    fn database(&self) -> PathBuf {
        self.folder.join("agent.db")
    }

    fn config(&self) -> Config {
        let camera = |number: usize| {
            serde_json::json!({
                "id": format!("c{number}"), "streams": {"detect": {"url": "rtsp://192.0.2.1/"}},
                "zones": [{"id": "street", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}],
                "rules": [{"id": "parking", "kind": "vehicle_parking", "zones": ["street"]}]
            })
        };
        let site = serde_json::json!({
            "agent": {"site": "torture", "id": "box", "data_dir": self.folder},
            "hub": {"host": "127.0.0.1", "port": self.port, "replay_per_sec": 10_000},
            "cameras": (0..CAMERAS).map(camera).collect::<Vec<_>>()
        });
        serde_json::from_value(site).unwrap()
    }
}

/// The incidents that the ledger knows, and the last sequence that the store has given away.
pub fn what_was_promised(orders: &Orders) -> (BTreeSet<Uuid>, u64) {
    let ledger = std::fs::read_to_string(orders.ledger()).unwrap_or_default();
    // The last line may be half written.
    let opened = ledger.lines().filter_map(|line| line.parse().ok()).collect();
    let store = Store::open(&orders.database(), Timestamp::UNIX_EPOCH).unwrap();
    (opened, store.last_sequence().unwrap())
}

/// Lives until it is killed, or has nothing left to deliver.
pub fn live(orders: &Orders) {
    let clocks: Arc<dyn Clocks> = Arc::new(SystemClocks::new());
    let config = Arc::new(orders.config());
    let store = SharedStore::new(Store::open(&orders.database(), clocks.wall()).unwrap());
    let quick = BackOffSettings { first: Duration::from_millis(5), cap: Duration::from_millis(50) };
    let settings = MqttSettings {
        reconnect: quick,
        retry_refused: quick,
        ..MqttSettings::new(&config.agent, &config.hub, TimeZone::UTC)
    };
    let link = Arc::new(Link::start(settings, store.clone(), Arc::clone(&clocks), None).unwrap());
    if orders.is_drain {
        return drain(&store, &link);
    }
    let notice = Arc::new(Ledger {
        link,
        awaited: Mutex::default(),
        file: Mutex::new(File::options().append(true).create(true).open(orders.ledger()).unwrap()),
    });
    let mut recorder = Recorder::new(RecorderParts {
        config: Arc::clone(&config),
        config_sha256: "0".repeat(64),
        time_zone: TimeZone::UTC,
        model: ModelIdentity { name: "made-up".into(), sha256: "0".repeat(64), provider: "cpu".into() },
        custody: Custody::open(&config, store.clone(), Arc::clone(&clocks)).unwrap(),
        store: store.clone(),
        notice: Arc::clone(&notice) as Arc<dyn Notice>,
        clocks: Arc::clone(&clocks),
        latencies: Arc::default(),
        drops: Arc::default(),
        faces: Box::new(Nobody),
        counts: Arc::default(),
    });
    let (records, found) = sync_channel(MAX_WAITING);
    std::thread::Builder::new().name("recorder".to_owned()).spawn(move || recorder.run(&found, &|| false)).unwrap();
    let mut streets: Vec<Street> =
        (0..CAMERAS).map(|camera| Street::begin(camera, &config, &store, clocks.wall())).collect();
    for number in 0u32.. {
        let due = FRAME * number / SPEED as u32;
        std::thread::park_timeout(due.saturating_sub(clocks.mono().0));
        let wall = orders.epoch + clocks.wall().duration_since(orders.epoch) * SPEED;
        for (camera, street) in streets.iter_mut().enumerate() {
            for record in street.watch(camera, FRAME * number, wall) {
                if let Record::Change(finding) = &record {
                    let id = finding.transition.incident.id;
                    notice.awaited.lock().unwrap().push_back((id, finding.transition.phase));
                }
                records.send(record).unwrap();
            }
        }
    }
}

fn drain(store: &SharedStore, link: &Link) {
    // If nothing was left to send, it may not even have connected yet.
    while link.stats().connects == 0 || !store.lock().pending(Destination::Hub, RowId::ZERO, 1).unwrap().is_empty() {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    assert_eq!(link.stop(Duration::from_secs(5)), Farewell::Said);
}

/// Finds no face, in no time: the picture shows nothing.
struct Nobody;

impl FaceFinder for Nobody {
    fn find(&mut self, _: &Frame) -> Result<Vec<SensitiveObject>, FacesError> {
        Ok(Vec::new())
    }
}

/// Writes down what the store has taken.
struct Ledger {
    link: Arc<Link>,
    /// Changes that the recorder has not reported yet, in their order.
    awaited: Mutex<VecDeque<(Uuid, Phase)>>,
    file: Mutex<File>,
}

impl Notice for Ledger {
    fn recorded(&self) {
        let (incident, phase) = self.awaited.lock().unwrap().pop_front().expect("what is recorded was found");
        if phase == Phase::Opened {
            let mut file = self.file.lock().unwrap();
            file.write_all(format!("{incident}\n").as_bytes()).unwrap();
            file.sync_data().unwrap();
        }
        self.link.wake();
    }
    fn active(&self, _: &Name, _: &Name, _: Vec<Uuid>) {}
    fn snapshot(&self, _: &str, _: Result<Evidence, String>) {}
}

/// A camera at whose street things come and go.
struct Street {
    engine: Engine,
    frame: Arc<Frame>,
}

impl Street {
    fn begin(camera: usize, config: &Config, store: &SharedStore, now: Timestamp) -> Self {
        let everywhere = Polygon::try_new(&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]).unwrap();
        let watch = Watch {
            zones: vec![(Name::try_new("street").unwrap(), everywhere)],
            except: vec![],
            classes: [0].into(),
            person_classes: [].into(),
            hanging_classes: [].into(),
            min_area: 0.0,
            is_composite: false,
            attended: Attended::Any,
            near: None,
            min_count: 1,
        };
        let secs = Duration::from_secs;
        let terms = Terms { dwell: secs(3), gap: secs(2), clear: secs(3), ..Terms::default() };
        let rule = EngineRule { id: Name::try_new("parking").unwrap(), watch, terms };
        let classes = ClassTable {
            names: vec!["car".to_owned()],
            association: vec![0],
            start_confidence: StartConfidence::same(0.3),
        };
        // Two days on: what is closed need not be remembered, since nothing continues it.
        let later = now + Duration::from_hours(48);
        let memory = store.lock().memory(&config.cameras[camera].id, later).unwrap();
        let (engine, orphans) = Engine::new(&Arc::new(classes), vec![rule], memory, IdSource::from_os());
        assert!(orphans.is_empty());
        Self { engine, frame: Arc::new(grey()) }
    }

    /// What a frame at this moment of the street changes.
    fn watch(&mut self, camera: usize, media: Duration, wall: Timestamp) -> Vec<Record> {
        let stamp = FrameStamp {
            media: MediaTime(media),
            mono: Mono(media),
            wall,
            clock_quality: ClockQuality::Arrival,
            clock_offset: None,
            segment: 0,
        };
        let transitions = self.engine.analyse(&stamp, &things(camera, wall));
        let active = self.engine.active();
        let memos = self.engine.take_memos().into_iter().map(|memo| Record::Memo(camera, memo));
        let finding = |transition: Transition| {
            Record::Change(Finding {
                camera,
                active: active[&transition.incident.rule].clone(),
                transition,
                frame: Some(Arc::clone(&self.frame)),
                sensitive: vec![],
                still: Still::NotWanted,
                picture: PictureState::Ok,
                clip: ClipNews::None,
            })
        };
        memos.chain(transitions.into_iter().map(finding)).collect()
    }
}

/// What stands in a street at a moment: each place of the grid is taken and free by turns.
fn things(camera: usize, wall: Timestamp) -> Vec<Detection> {
    let now = wall.as_millisecond() as f64 / 1e3;
    let places = (0..COLUMNS * ROWS).filter(|place| {
        let shift = (place * 7 + camera * 3) as f64;
        (now + shift).rem_euclid(STAY_SECS + AWAY_SECS) < STAY_SECS
    });
    let bbox = |place: usize| {
        let (x, y) = ((place % COLUMNS) as f32, (place / COLUMNS) as f32);
        BBox::try_from_center((x + 0.5) / COLUMNS as f32, (y + 0.5) / ROWS as f32, 0.08, 0.1).unwrap()
    };
    places.map(|place| Detection { class: 0, confidence: 0.9, bbox: bbox(place) }).collect()
}

fn grey() -> Frame {
    let (width, height) = (96u32, 64u32);
    let (w, h) = (width as usize, height as usize);
    let layout = FrameLayout {
        width,
        height,
        format: PixelFormat::I420,
        matrix: ColorMatrix::Bt709,
        range: ColorRange::Limited,
        strides: [w, w / 2, w / 2],
    };
    let planes = [vec![90; w * h], vec![128; w * h / 4], vec![128; w * h / 4]];
    Frame::try_from_planes(layout, FrameStamp::of_recording(Duration::ZERO, Timestamp::UNIX_EPOCH, 0), planes).unwrap()
}
