//! Recorder, store and link of an agent, fed with made-up findings.

use curbwatch::analysis::{Finding, Record, Still};
use curbwatch::clips::ClipNews;
use curbwatch::clock::{ClockQuality, Clocks, MediaTime, Mono, SystemClocks};
use curbwatch::config::Config;
use curbwatch::contract::{Evidence, ModelIdentity};
use curbwatch::evidence::{Custody, Keyring, SensitiveObject};
use curbwatch::faces::{FaceFinder, FacesError};
use curbwatch::frame::{Frame, FrameStamp};
use curbwatch::geometry::BBox;
use curbwatch::ids::{IdSource, Name};
use curbwatch::incident::{Incident, IncidentObject, Phase, Severity, Told, Transition};
use curbwatch::mqtt::{Link, MqttSettings};
use curbwatch::picture::PictureState;
use curbwatch::quality::Counts;
use curbwatch::recorder::{Notice, Recorder, RecorderParts};
use curbwatch::store::{SharedStore, Store};
use jiff::tz::TimeZone;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use uuid::Uuid;

pub fn name(text: &str) -> Name {
    Name::try_new(text).unwrap()
}

/// Counts what was recorded, and wakes the link.
struct Wake {
    link: Arc<Link>,
    recorded: Arc<AtomicUsize>,
}

impl Notice for Wake {
    fn recorded(&self) {
        self.recorded.fetch_add(1, Ordering::SeqCst);
        self.link.wake();
    }
    fn active(&self, _: &Name, _: &Name, _: Vec<Uuid>) {}
    fn snapshot(&self, _: &str, _: Result<Evidence, String>) {}
}

/// Finds no face: no picture of these tests shows one.
struct Nobody;

impl FaceFinder for Nobody {
    fn find(&mut self, _: &Frame) -> Result<Vec<SensitiveObject>, FacesError> {
        Ok(Vec::new())
    }
}

/// Recorder, store and link of an agent.
pub struct Agent {
    config: Arc<Config>,
    pub clocks: Arc<dyn Clocks>,
    pub store: SharedStore,
    link: Arc<Link>,
    pub counts: Arc<Counts>,
    /// Findings that were recorded.
    pub recorded: Arc<AtomicUsize>,
    ids: IdSource,
}

impl Agent {
    pub fn new(folder: &Path, mut config: Config) -> Self {
        folder.clone_into(&mut config.agent.data_dir);
        let (config, clocks) = (Arc::new(config), Arc::new(SystemClocks::new()) as Arc<dyn Clocks>);
        let store = SharedStore::new(Store::open(&folder.join("curbwatch.db"), clocks.wall()).unwrap());
        let keys = Keyring::new(config.evidence.encryption.as_ref());
        let settings = MqttSettings { keys, ..MqttSettings::new(&config.agent, &config.hub, TimeZone::UTC) };
        let link = Arc::new(Link::start(settings, store.clone(), Arc::clone(&clocks), None).unwrap());
        let (counts, recorded, ids) = (Arc::default(), Arc::default(), IdSource::from_seed(1));
        Self { config, clocks, store, link, counts, recorded, ids }
    }

    /// Records findings with a recorder that knows what the store does.
    pub fn record(&self, findings: Vec<Finding>) {
        self.record_with(Box::new(Nobody), findings);
    }

    /// The same, with somebody who finds faces.
    pub fn record_with(&self, faces: Box<dyn FaceFinder>, findings: Vec<Finding>) {
        let mut recorder = Recorder::new(RecorderParts {
            config: Arc::clone(&self.config),
            config_sha256: "0".repeat(64),
            time_zone: TimeZone::UTC,
            model: ModelIdentity { name: "made-up".into(), sha256: "0".repeat(64), provider: "cpu".into() },
            custody: Custody::open(&self.config, self.store.clone(), Arc::clone(&self.clocks)).unwrap(),
            store: self.store.clone(),
            notice: Arc::new(Wake { link: Arc::clone(&self.link), recorded: Arc::clone(&self.recorded) }),
            clocks: Arc::clone(&self.clocks),
            latencies: Arc::default(),
            drops: Arc::default(),
            faces,
            counts: Arc::clone(&self.counts),
        });
        let (records, found) = sync_channel(findings.len());
        for finding in findings {
            records.send(Record::Change(finding)).unwrap();
        }
        drop(records);
        recorder.run(&found, &|| false);
    }

    /// A thing that has stood for a minute.
    pub fn incident(&mut self) -> Incident {
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

/// A change of an incident that was noticed without a frame.
pub fn finding(camera: usize, phase: Phase, incident: &Incident, picture: PictureState) -> Finding {
    let stamp = FrameStamp {
        media: MediaTime(Duration::from_mins(2)),
        mono: Mono(Duration::from_mins(2)),
        wall: incident.closed_at.unwrap_or(incident.last_seen),
        clock_quality: ClockQuality::Arrival,
        clock_offset: None,
        segment: 0,
    };
    let transition = Transition { phase, at: stamp, incident: incident.clone(), recheck: None };
    Finding {
        camera,
        transition,
        active: vec![],
        frame: None,
        sensitive: vec![],
        still: Still::NotWanted,
        picture,
        clip: ClipNews::None,
    }
}
