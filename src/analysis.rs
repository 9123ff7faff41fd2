//! Runner threads: mailbox → detector → engine → recorder.
//!
//! One runner per core, each with a session of its own; a camera is with one runner at a time. What a frame changed goes to
//! the [recorder](crate::recorder) together with the frame. When the recorder cannot keep up (a full disk), runners wait and
//! frames are dropped in the mailbox: facts never are. A panic stays with its camera, whose engine begins anew from the
//! store.

use crate::camera::{ClassTable, Engine, EngineRule};
use crate::clock::{Clocks, MediaTime};
use crate::config::{CameraConfig, ClassGroups, Config};
use crate::detect::manifest::Manifest;
use crate::detect::{DetectError, Detection, Detections, Detector, FAINT_CONFIDENCE, Runtime, RuntimeError};
use crate::evidence::{SensitiveKind, SensitiveObject};
use crate::frame::Frame;
use crate::health::{Latencies, Stage};
use crate::ids::{IdSource, Name};
use crate::incident::{Incident, Limits, Transition};
use crate::install;
use crate::mailbox::Mailboxes;
use crate::scene::Watch;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use uuid::Uuid;

/// For how long a person or vehicle is redacted after it was last detected: a detector misses one now and then.
const SENSITIVE_MEMORY: Duration = Duration::from_secs(1);
/// Most areas remembered per camera; more than a crowd in one second at the usual rates.
const MAX_SENSITIVE: usize = 2048;

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
}

/// Why analysis cannot begin; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// ONNX Runtime is missing or broken.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// No manifest of that name.
    #[error(transparent)]
    Manifest(#[from] install::FindManifestError),
    /// The model file is missing.
    #[error(transparent)]
    Model(#[from] install::NotFound),
    /// The model is refused.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// A rule speaks of a class that the model lacks.
    #[error("failed to resolve the classes of rule {rule} of camera {camera}")]
    Classes {
        /// The camera.
        camera: Name,
        /// The rule.
        rule: Name,
        /// Which class.
        source: crate::config::ClassError,
    },
}

/// A model, loaded once per runner, and the classes as the rules need them.
pub struct Prepared {
    manifest: Manifest,
    detectors: Vec<Detector>,
    classes: Arc<ClassTable>,
    sensitive: BTreeMap<u16, SensitiveKind>,
    rules: Vec<Vec<EngineRule>>,
}

impl Prepared {
    /// Finds and loads the configured model for `runners` threads, and resolves every rule.
    pub fn try_new(config: &Config, runners: usize) -> Result<Self, PrepareError> {
        let runtime = Runtime::load()?;
        let mut manifest = install::manifest(&config.model.manifest)?;
        if let Some(confidence) = config.model.min_confidence {
            manifest.thresholds.confidence = confidence;
        }
        let path = install::model_file(&manifest)?;
        let open = |_| Detector::open(&runtime, &manifest, &path);
        let detectors = (0..runners).map(open).collect::<Result<Vec<_>, _>>()?;
        let groups = ClassGroups::new(&config.classes);
        let class_set = |name: &str| groups.resolve(&[name], &manifest.classes).unwrap_or_default();
        let (people, vehicles) = (class_set("person"), class_set("vehicle"));
        let sensitive = people
            .iter()
            .map(|&class| (class, SensitiveKind::Person))
            .chain(vehicles.iter().map(|&class| (class, SensitiveKind::Vehicle)))
            .collect();
        let rules = config
            .cameras
            .iter()
            .map(|camera| engine_rules(camera, &groups, &manifest.classes, &people))
            .collect::<Result<_, _>>()?;
        let classes = Arc::new(ClassTable {
            association: association(&manifest.classes, &[&people, &vehicles]),
            names: manifest.classes.clone(),
        });
        Ok(Self { manifest, detectors, classes, sensitive, rules })
    }

    /// The manifest of the model.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The loaded models, one per runner; empty afterwards.
    pub fn take_detectors(&mut self) -> Vec<Detector> {
        std::mem::take(&mut self.detectors)
    }

    /// The engine of a camera, with the incidents that the store holds open; those whose rule is gone are returned.
    #[must_use]
    pub fn engine(&self, camera: usize, open: Vec<Incident>) -> (Engine, Vec<Incident>) {
        Engine::new(Arc::clone(&self.classes), self.rules[camera].clone(), open, IdSource::from_os())
    }
}

/// Classes that share a group share its lowest index; every other class is a group of its own.
fn association(classes: &[String], groups: &[&Vec<u16>]) -> Vec<u16> {
    let group_of = |class: u16| groups.iter().find(|group| group.contains(&class)).map_or(class, |group| group[0]);
    (0..classes.len() as u16).map(group_of).collect()
}

fn engine_rules(
    camera: &CameraConfig,
    groups: &ClassGroups,
    classes: &[String],
    people: &[u16],
) -> Result<Vec<EngineRule>, PrepareError> {
    let rule_of = |rule: &crate::config::RuleConfig| {
        let own = rule.classes.as_ref().map(|names| names.iter().map(String::as_str).collect::<Vec<_>>());
        let names = own.unwrap_or_else(|| rule.kind.default_classes().to_vec());
        let resolved = groups.resolve(&names, classes).map_err(|source| PrepareError::Classes {
            camera: camera.id.clone(),
            rule: rule.id.clone(),
            source,
        })?;
        let zones = camera.zones.iter().filter(|zone| rule.zones.contains(&zone.id));
        let needs_attendant = rule.kind.needs_attendant();
        Ok(EngineRule {
            id: rule.id.clone(),
            watch: Watch {
                zones: zones.map(|zone| (zone.id.clone(), zone.polygon.0.clone())).collect(),
                classes: resolved.into_iter().collect::<BTreeSet<_>>(),
                person_classes: people.iter().copied().collect(),
                min_area: rule.min_area,
                is_composite: needs_attendant,
            },
            limits: Limits {
                dwell: Duration::from_secs_f64(rule.dwell_secs.unwrap_or_else(|| rule.kind.default_dwell_secs())),
                gap: Duration::from_secs_f64(rule.gap_secs),
                clear: Duration::from_secs_f64(rule.clear_secs),
                needs_attendant,
            },
        })
    };
    camera.rules.iter().map(rule_of).collect()
}

/// What a runner keeps of a camera between frames.
struct Station {
    engine: Engine,
    /// People and vehicles of the last [`SENSITIVE_MEMORY`], oldest first.
    recent: VecDeque<(MediaTime, SensitiveObject)>,
}

/// Everything that the runners share.
pub struct Analysis {
    prepared: Prepared,
    stations: Vec<Mutex<Station>>,
    mailboxes: Arc<Mailboxes<Frame>>,
    /// Open incidents of a camera, from the store: after a panic its engine begins anew.
    open_incidents: Box<dyn Fn(usize) -> Vec<Incident> + Send + Sync>,
    analysed: Vec<AtomicU64>,
    latencies: Arc<Latencies>,
    clocks: Arc<dyn Clocks>,
}

impl Analysis {
    /// Makes an engine per camera.
    #[must_use]
    pub fn new(
        prepared: Prepared,
        mailboxes: Arc<Mailboxes<Frame>>,
        open_incidents: Box<dyn Fn(usize) -> Vec<Incident> + Send + Sync>,
        latencies: Arc<Latencies>,
        clocks: Arc<dyn Clocks>,
    ) -> Self {
        let cameras = prepared.rules.len();
        let station = |camera| {
            let (engine, orphans) = prepared.engine(camera, open_incidents(camera));
            for orphan in orphans {
                tracing::warn!(incident = %orphan.id, rule = %orphan.rule, "an open incident's rule is gone; it stays open");
            }
            Mutex::new(Station { engine, recent: VecDeque::new() })
        };
        let stations = (0..cameras).map(station).collect();
        let analysed = (0..cameras).map(|_| AtomicU64::new(0)).collect();
        Self { prepared, stations, mailboxes, open_incidents, analysed, latencies, clocks }
    }

    /// Frames of a camera analysed so far.
    #[must_use]
    pub fn analysed(&self, camera: usize) -> u64 {
        self.analysed[camera].load(Ordering::Relaxed)
    }

    /// What is open at a camera, by rule.
    #[must_use]
    pub fn active(&self, camera: usize) -> BTreeMap<Name, Vec<Uuid>> {
        self.station(camera).engine.active()
    }

    /// Analyses frames until the mailboxes are closed or the recorder is gone. The recorder ends when every runner has
    /// dropped its sender.
    #[expect(clippy::needless_pass_by_value, reason = "the sender is dropped when the runner ends")]
    pub fn run(&self, mut detector: Detector, findings: SyncSender<Finding>) {
        let mut detections = Detections::new();
        while let Some(mut lease) = self.mailboxes.take() {
            let (camera, frame) = (lease.camera(), Arc::new(lease.take_frame()));
            let work = || self.analyse(camera, &frame, &mut detector, &mut detections);
            let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| {
                tracing::error!(camera, "the analysis of a camera panicked; its engine begins anew");
                let (engine, _) = self.prepared.engine(camera, (self.open_incidents)(camera));
                *self.station(camera) = Station { engine, recent: VecDeque::new() };
                Vec::new()
            });
            for finding in found {
                if findings.send(finding).is_err() {
                    return;
                }
            }
        }
    }

    fn station(&self, camera: usize) -> std::sync::MutexGuard<'_, Station> {
        // A panic is caught above and the station replaced, so that a poisoned one is never read as it was.
        self.stations[camera].lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn analyse(
        &self,
        camera: usize,
        frame: &Arc<Frame>,
        detector: &mut Detector,
        detections: &mut Detections,
    ) -> Vec<Finding> {
        let began = self.clocks.mono();
        if let Err(error) = detector.detect(frame, detections) {
            tracing::error!(camera, error = &error as &dyn std::error::Error, "a frame is not analysed");
            return Vec::new();
        }
        let detected = self.clocks.mono();
        self.latencies.record(Stage::Detect, detected.since(began));
        let mut station = self.station(camera);
        self.remember_sensitive(&mut station.recent, frame.stamp().media, detections);
        let transitions = station.engine.analyse(frame.stamp(), detections);
        let mut active = if transitions.is_empty() { BTreeMap::new() } else { station.engine.active() };
        let finding = |transition: Transition| Finding {
            camera,
            active: active.remove(&transition.incident.rule).unwrap_or_default(),
            transition,
            frame: Arc::clone(frame),
            sensitive: station.recent.iter().map(|(_, object)| *object).collect(),
        };
        let findings = transitions.into_iter().map(finding).collect();
        self.latencies.record(Stage::Engine, self.clocks.mono().since(detected));
        self.analysed[camera].fetch_add(1, Ordering::Relaxed);
        findings
    }

    fn remember_sensitive(
        &self,
        recent: &mut VecDeque<(MediaTime, SensitiveObject)>,
        now: MediaTime,
        detections: &[Detection],
    ) {
        recent.retain(|(at, _)| now.since(*at) <= SENSITIVE_MEMORY);
        let sure_enough = detections.iter().filter(|d| d.confidence >= FAINT_CONFIDENCE);
        recent.extend(sure_enough.filter_map(|detection| {
            let kind = *self.prepared.sensitive.get(&detection.class)?;
            Some((now, SensitiveObject { kind, bbox: detection.bbox }))
        }));
        while recent.len() > MAX_SENSITIVE {
            recent.pop_front();
        }
    }
}
