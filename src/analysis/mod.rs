//! Runner threads: mailbox → change gate → detector → engine → recorder.
//!
//! One runner per core, each with a session of its own; a camera is with one runner at a time. What a frame changed goes to
//! the [recorder](crate::recorder) together with the frame. When the recorder cannot keep up (a full disk), runners wait and
//! frames are dropped in the mailbox: facts never are. A panic stays with its camera, whose engine begins anew with
//! what is open.
//!
//! Every frame is sampled first. The sample says how the picture is (while nothing can be seen in it, the rules rest) and whether
//! anything changed: what did not is not inferred, and the engine takes what it saw last for what is there. A camera is *idle* until
//! something that a rule is about comes into a zone or goes from it; then it is *active* until the incident stands or is over, and a
//! little longer. Passers-by do not wake it: the key frame that shows them is inferred, and judged as it is. A key frame that wakes the
//! camera is not judged: it asks for the held frames, which begin before it and come to it again.

mod prepare;
mod region;
mod station;
mod still;

pub(crate) use prepare::sensitive_classes;
pub use prepare::{PrepareError, Prepared};
pub use region::parts;
pub use station::PictureNews;
pub use still::Still;

use crate::clock::Clocks;
use crate::detect::{Detections, Detector};
use crate::evidence::{SensitiveKind, SensitiveObject};
use crate::frame::Frame;
use crate::geometry::BBox;
use crate::health::{Latencies, Stage};
use crate::ids::{IdSource, Name};
use crate::incident::{Incident, Phase, Transition};
use crate::ingest::StillError;
use crate::mailbox::Mailboxes;
use station::{Look, Station};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// What one frame changed, with everything that the recorder needs to tell the hub.
#[derive(Debug)]
pub struct Finding {
    /// Index of the camera.
    pub camera: usize,
    /// The change.
    pub transition: Transition,
    /// Open incidents of the rule after the change.
    pub active: Vec<Uuid>,
    /// The frame at which it was noticed.
    pub frame: Arc<Frame>,
    /// People and vehicles of this frame and of the last second.
    pub sensitive: Vec<SensitiveObject>,
    /// The picture of the evidence stream.
    pub still: Still,
}

/// How closely a camera is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// Nothing goes on that a rule is about.
    Idle,
    /// Something does, or did a moment ago.
    Active,
}

/// What the analysis needs of the agent around it; cameras by index. Called from the runners; only [`Self::still`] may wait.
pub trait Surroundings: Send + Sync + 'static {
    /// Open incidents of a camera, from the store: its engine begins with them.
    fn open_incidents(&self, camera: usize) -> Vec<Incident>;
    /// Where the ids of a camera's incidents come from.
    fn ids(&self, camera: usize) -> IdSource;
    /// Pictures that the camera's decoder has marked as damaged so far.
    fn frames_corrupt(&self, camera: usize) -> u64;
    /// A camera is to be watched so closely from now on; [`Attention::Idle`] at the start.
    fn attention(&self, camera: usize, attention: Attention);
    /// How a camera's picture is; once at its first frame, then whenever it changes.
    fn picture(&self, camera: usize, news: PictureNews);
    /// The present picture of a camera's evidence stream; none if it has no such stream. Waits for the decoder, with a limit.
    fn still(&self, camera: usize) -> Option<Result<Frame, StillError>> {
        let _ = camera;
        None
    }
}

/// What became of the frames of a camera.
#[derive(Debug, Default)]
struct Counts {
    judged: AtomicU64,
    inferred: AtomicU64,
}

/// Everything that the runners share.
pub struct Analysis {
    prepared: Prepared,
    stations: Vec<Mutex<Station>>,
    /// Open incidents per camera as of the last finding: the store learns of a finding later than the runner.
    open: Vec<Mutex<BTreeMap<Uuid, Incident>>>,
    mailboxes: Arc<Mailboxes<Frame>>,
    around: Arc<dyn Surroundings>,
    counts: Vec<Counts>,
    latencies: Arc<Latencies>,
    clocks: Arc<dyn Clocks>,
}

impl Analysis {
    /// Makes an engine per camera.
    #[must_use]
    pub fn new(
        prepared: Prepared,
        mailboxes: Arc<Mailboxes<Frame>>,
        around: Arc<dyn Surroundings>,
        latencies: Arc<Latencies>,
        clocks: Arc<dyn Clocks>,
    ) -> Self {
        let open: Vec<Vec<Incident>> = (0..prepared.cameras()).map(|camera| around.open_incidents(camera)).collect();
        let begin = |(camera, open): (usize, &Vec<Incident>)| {
            Mutex::new(station(&prepared, open.clone(), camera, around.ids(camera)))
        };
        let stations = open.iter().enumerate().map(begin).collect();
        let by_id =
            |open: Vec<Incident>| Mutex::new(open.into_iter().map(|incident| (incident.id, incident)).collect());
        let open = open.into_iter().map(by_id).collect();
        let counts = (0..prepared.cameras()).map(|_| Counts::default()).collect();
        Self { prepared, stations, open, mailboxes, around, counts, latencies, clocks }
    }

    /// Frames of a camera judged so far, inferred or found unchanged.
    #[must_use]
    pub fn analysed(&self, camera: usize) -> u64 {
        self.counts[camera].judged.load(Ordering::Relaxed)
    }

    /// Frames of a camera inferred so far.
    #[must_use]
    pub fn inferred(&self, camera: usize) -> u64 {
        self.counts[camera].inferred.load(Ordering::Relaxed)
    }

    /// What is open at a camera, by rule.
    #[must_use]
    pub fn active(&self, camera: usize) -> BTreeMap<Name, Vec<Uuid>> {
        self.station(camera).active()
    }

    /// Analyses frames until the mailboxes are closed or the recorder is gone. The recorder ends when every runner has
    /// dropped its sender.
    #[expect(clippy::needless_pass_by_value, reason = "the sender is dropped when the runner ends")]
    pub fn run(&self, mut detector: Detector, findings: SyncSender<Finding>) {
        while let Some(mut lease) = self.mailboxes.take() {
            let (camera, frame) = (lease.camera(), Arc::new(lease.take_frame()));
            let work = || self.process(camera, &frame, &mut detector);
            let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| {
                tracing::error!(camera, "the analysis of a camera panicked; its engine begins anew");
                self.begin_anew(camera);
                Vec::new()
            });
            for finding in found {
                if findings.send(finding).is_err() {
                    return;
                }
            }
        }
    }

    fn open(&self, camera: usize) -> MutexGuard<'_, BTreeMap<Uuid, Incident>> {
        self.open[camera].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn station(&self, camera: usize) -> MutexGuard<'_, Station> {
        // A panic is caught above and the station replaced, so that a poisoned one is never read as it was.
        self.stations[camera].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything about a camera but what is open there, as a restart does.
    pub fn begin_anew(&self, camera: usize) {
        let open = self.open(camera).values().cloned().collect();
        let anew = station(&self.prepared, open, camera, self.around.ids(camera));
        self.around.attention(camera, anew.attention());
        *self.station(camera) = anew;
    }

    /// Where the open incidents of a camera stand.
    #[must_use]
    pub fn places(&self, camera: usize) -> Vec<BBox> {
        self.open(camera).values().map(|incident| incident.bbox).collect()
    }

    /// People and vehicles at a camera, of the frame judged last and of the second before it.
    #[must_use]
    pub fn sensitive(&self, camera: usize, frame: &Frame, detector: &mut Detector) -> Vec<SensitiveObject> {
        self.sensitive_at(&self.station(camera), camera, frame, detector)
    }

    /// As [`Self::sensitive`]. Where only a part of the picture is inferred, all of it is once more: a picture shows more than the part.
    fn sensitive_at(
        &self,
        station: &Station,
        camera: usize,
        frame: &Frame,
        detector: &mut Detector,
    ) -> Vec<SensitiveObject> {
        let mut sensitive = station.sensitive();
        if self.prepared.parts(camera).is_empty() {
            return sensitive;
        }
        let mut seen = Detections::new();
        match detector.detect(frame, &mut seen) {
            Ok(()) => sensitive.extend(station.sensitive_among(&seen)),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(camera, error, "nobody can be found in the picture; all of it is hidden");
                sensitive.push(SensitiveObject { kind: SensitiveKind::Person, bbox: BBox::FRAME });
            }
        }
        sensitive
    }

    /// Looks at one frame of a camera, in the order of their times; what it changed is returned.
    pub fn process(&self, camera: usize, frame: &Arc<Frame>, detector: &mut Detector) -> Vec<Finding> {
        let mut station = self.station(camera);
        let before = station.attention();
        let began = self.clocks.mono();
        let (look, news) = station.look(frame, self.around.frames_corrupt(camera));
        self.latencies.record(Stage::Gate, self.clocks.mono().since(began));
        if let Some(news) = news {
            self.around.picture(camera, news);
        }
        let is_to_judge = match look {
            Look::Infer => self.infer(camera, frame, detector, &mut station),
            Look::Glance => self.infer(camera, frame, detector, &mut station) && !station.wakes(frame.stamp()),
            Look::Unchanged => true,
            Look::Known | Look::Nothing => false,
        };
        let findings = if is_to_judge { self.judge(camera, frame, detector, &mut station) } else { Vec::new() };
        if station.attention() != before {
            self.around.attention(camera, station.attention());
        }
        findings
    }

    /// Whether the frame could be inferred.
    fn infer(&self, camera: usize, frame: &Frame, detector: &mut Detector, station: &mut Station) -> bool {
        let began = self.clocks.mono();
        let seen = match self.prepared.parts(camera) {
            [] => detector.detect(frame, station.detections_mut()),
            parts => detector.detect_in(frame, parts, station.detections_mut()),
        };
        if let Err(error) = seen {
            tracing::error!(camera, error = &error as &dyn std::error::Error, "a frame is not analysed");
            station.fail();
            return false;
        }
        self.latencies.record(Stage::Detect, self.clocks.mono().since(began));
        self.counts[camera].inferred.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn judge(&self, camera: usize, frame: &Arc<Frame>, detector: &mut Detector, station: &mut Station) -> Vec<Finding> {
        let began = self.clocks.mono();
        let transitions = station.judge(frame.stamp());
        self.latencies.record(Stage::Engine, self.clocks.mono().since(began));
        self.counts[camera].judged.fetch_add(1, Ordering::Relaxed);
        if transitions.is_empty() {
            return Vec::new();
        }
        let (active, sensitive) = (station.active(), self.sensitive_at(station, camera, frame, detector));
        for transition in &transitions {
            match transition.phase {
                Phase::Opened | Phase::Updated | Phase::Rechecked => {
                    self.open(camera).insert(transition.incident.id, transition.incident.clone());
                }
                Phase::Closed | Phase::Withdrawn => {
                    self.open(camera).remove(&transition.incident.id);
                }
            }
        }
        let is_pictured = transitions.iter().any(|transition| transition.phase.has_picture());
        let still = if is_pictured { self.still(camera, detector, station) } else { Still::NotWanted };
        let finding = |transition: Transition| Finding {
            camera,
            active: active.get(&transition.incident.rule).cloned().unwrap_or_default(),
            transition,
            frame: Arc::clone(frame),
            sensitive: sensitive.clone(),
            still: still.clone(),
        };
        transitions.into_iter().map(finding).collect()
    }
}

/// A camera's station with the incidents that are open.
fn station(prepared: &Prepared, open: Vec<Incident>, camera: usize, ids: IdSource) -> Station {
    let (engine, orphans) = prepared.engine(camera, open, ids);
    for orphan in orphans {
        tracing::warn!(incident = %orphan.id, rule = %orphan.rule, "an open incident's rule is gone; it stays open");
    }
    Station::new(engine, prepared.view(camera), Arc::clone(&prepared.sensitive))
}
