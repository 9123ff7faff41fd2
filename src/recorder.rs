//! Findings → evidence on disk and rows in the store, in their order, on one thread.
//!
//! A picture is redacted and on disk before the transaction that names it; the incident and its outbox rows are one
//! transaction. While the disk is full or read-only the recorder tries again and the runners wait: nothing that was found
//! is lost. A picture that cannot be made is left out, and the event says so. An event passes the [stages](crate::quality) before it is
//! recorded; one with a defect is kept back, with the reason.

mod configured;
mod event;
mod snapshot;

use crate::analysis::{Finding, Record, Still};
use crate::clock::{Clocks, Mono};
use crate::config::{CameraConfig, Config, EvidenceDelivery};
use crate::contract::{
    self, Delivery, DeliveryVia, Evidence, EvidenceRole, ModelIdentity, Redaction, Topics, WallTime,
};
use crate::evidence::{EvidenceDir, JpegLimits, RedactError, RedactedJpeg, SensitiveObject};
use crate::faces::{FaceFinder, FacesError};
use crate::frame::Frame;
use crate::geometry::BBox;
use crate::health::{Drops, Latencies, Queue, Stage};
use crate::ids::{IdSource, Name};
use crate::incident::Memo;
use crate::quality::{Counts, Stages};
use crate::store::{Destination, EvidenceFile, SharedStore, StoreError};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use uuid::Uuid;

/// Findings that wait for the recorder at most; beyond it the runners wait.
pub const MAX_WAITING: usize = 32;
/// Time between two attempts to write to a disk that refuses.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Largest picture, below the packet limits that brokers commonly set.
const MAX_PICTURE_BYTES: usize = 1_000_000;

/// Tells the hub's side of the agent what the recorder did.
pub trait Notice: Send + Sync {
    /// New rows are in the outbox.
    fn recorded(&self);
    /// What is open now for a rule; empty when nothing is.
    fn active(&self, camera: &Name, rule: &Name, incidents: Vec<Uuid>);
    /// The picture that the hub asked for under this ticket is on its way, or why there is none.
    fn snapshot(&self, ticket: &str, taken: Result<Evidence, String>);
}

/// Writes findings; owned by its thread.
pub struct Recorder {
    config: Arc<Config>,
    config_sha256: String,
    time_zone: TimeZone,
    topics: Topics,
    model: ModelIdentity,
    stages: Stages,
    evidence: EvidenceDir,
    store: SharedStore,
    notice: Arc<dyn Notice>,
    ids: IdSource,
    clocks: Arc<dyn Clocks>,
    latencies: Arc<Latencies>,
    drops: Arc<Drops>,
    faces: Box<dyn FaceFinder>,
    swept: Option<Mono>,
}

/// What a recorder works with.
pub struct RecorderParts {
    /// The configuration.
    pub config: Arc<Config>,
    /// Its digest, for events.
    pub config_sha256: String,
    /// Time zone in which times are written.
    pub time_zone: TimeZone,
    /// The model, for events.
    pub model: ModelIdentity,
    /// Where pictures are kept.
    pub evidence: EvidenceDir,
    /// The database.
    pub store: SharedStore,
    /// Who is told.
    pub notice: Arc<dyn Notice>,
    /// Time.
    pub clocks: Arc<dyn Clocks>,
    /// Where the time taken is counted.
    pub latencies: Arc<Latencies>,
    /// Where lost pictures are counted.
    pub drops: Arc<Drops>,
    /// Finds the faces that are hidden in pictures.
    pub faces: Box<dyn FaceFinder>,
    /// Where it is counted what the stages before an event leaves do.
    pub counts: Arc<Counts>,
}

/// Why a picture is withheld.
#[derive(Debug, thiserror::Error)]
enum Withheld {
    #[error("the picture is withheld")]
    Faces(#[from] FacesError),
    #[error(transparent)]
    Redact(#[from] RedactError),
}

/// What a picture shows.
#[derive(Debug, Clone, Copy)]
struct Shown {
    role: EvidenceRole,
    incident: Option<Uuid>,
    captured_at: Timestamp,
}

/// The picture of a finding, on disk, or that there is none.
enum Picture {
    Kept(Box<EvidenceFile>),
    NotWanted,
    Failed,
}

impl Recorder {
    /// Takes its parts.
    #[must_use]
    pub fn new(parts: RecorderParts) -> Self {
        let agent = &parts.config.agent;
        let mut recorder = Self {
            stages: Stages::new(Arc::clone(&parts.config), parts.counts),
            topics: Topics::new(&parts.config.hub.prefix, &agent.site, &agent.id),
            config: parts.config,
            config_sha256: parts.config_sha256,
            time_zone: parts.time_zone,
            model: parts.model,
            evidence: parts.evidence,
            store: parts.store,
            notice: parts.notice,
            ids: IdSource::from_os(),
            clocks: parts.clocks,
            latencies: parts.latencies,
            drops: parts.drops,
            faces: parts.faces,
            swept: None,
        };
        recorder.relate_open();
        recorder
    }

    /// Takes up what is open, so that what comes can be related to it.
    fn relate_open(&mut self) {
        match self.store.lock().open_everywhere() {
            Ok(open) => open.iter().for_each(|(camera, open)| self.stages.note_open(camera, &open.incident)),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "what was open before is not related to what comes");
            }
        }
    }

    /// Records until every sender of `records` is gone. `give_up` says whether to stop trying to write to a disk that
    /// refuses: the process is ending.
    pub fn run(&mut self, records: &Receiver<Record>, give_up: &dyn Fn() -> bool) {
        loop {
            match records.recv_timeout(Duration::from_mins(1)) {
                Ok(Record::Change(finding)) => self.record(&finding, give_up),
                Ok(Record::Memo(camera, memo)) => self.remember(camera, &memo, give_up),
                Ok(Record::Snapshot(snapshot)) => self.take_snapshot(&snapshot),
                Ok(Record::Configured(configured)) => self.take_over(*configured),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.sweep();
        }
    }

    fn record(&mut self, finding: &Finding, give_up: &dyn Fn() -> bool) {
        let began = self.clocks.mono();
        let config = Arc::clone(&self.config);
        let camera = &config.cameras[finding.camera];
        let incident = &finding.transition.incident;
        let Some(rule) = camera.rules.iter().find(|rule| rule.id == incident.rule) else {
            tracing::error!(rule = %incident.rule, camera = %camera.id, "a finding of an unknown rule is lost");
            return;
        };
        let attempt = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.picture(finding, camera)));
        let picture = attempt.unwrap_or_else(|_| {
            tracing::error!(camera = %camera.id, "making a picture panicked; the incident goes without it");
            self.drops.add(Queue::Evidence, 1);
            Picture::Failed
        });
        let Some(()) = self
            .insist(give_up, |recorder| recorder.assemble(finding, camera, rule, &picture))
            .map(|event| self.prepare(event, finding, &picture))
            .and_then(|event| self.insist(give_up, |recorder| recorder.store(&event, finding, camera, rule, &picture)))
        else {
            tracing::error!(incident = %incident.id, "a finding is lost");
            return;
        };
        self.note(finding, camera);
        self.notice.recorded();
        self.notice.active(&camera.id, &rule.id, finding.active.clone());
        self.latencies.record(Stage::Record, self.clocks.mono().since(began));
    }

    fn remember(&mut self, camera: usize, memo: &Memo, give_up: &dyn Fn() -> bool) {
        let config = Arc::clone(&self.config);
        let camera = &config.cameras[camera].id;
        let kept = self.insist(give_up, |recorder| {
            let now = recorder.clocks.wall();
            recorder.store.lock().remember(camera, memo, now)
        });
        if kept.is_none() {
            tracing::error!(%camera, "what a restart should know is lost");
        }
    }

    /// Tries something with the store until it succeeds. None if it was given up.
    fn insist<T>(
        &mut self,
        give_up: &dyn Fn() -> bool,
        work: impl Fn(&mut Self) -> Result<T, StoreError>,
    ) -> Option<T> {
        let mut refusals = 0u64;
        loop {
            let error = match work(self) {
                Ok(done) => {
                    if refusals > 0 {
                        tracing::warn!(refusals, "the store takes changes again");
                    }
                    return Some(done);
                }
                Err(error) => error,
            };
            let error = &error as &dyn std::error::Error;
            if give_up() {
                tracing::error!(error, "the store refuses, and the agent is stopping");
                return None;
            }
            if refusals == 0 {
                tracing::error!(error, "the store refuses; trying again until it takes it");
            }
            refusals += 1;
            // Pictures past their age may be what fills the disk.
            self.sweep();
            std::thread::park_timeout(RETRY_AFTER);
        }
    }

    /// Makes the picture of a change that shows the incident there, and keeps it on disk.
    fn picture(&mut self, finding: &Finding, camera: &CameraConfig) -> Picture {
        let transition = &finding.transition;
        let Some(role) = EvidenceRole::of(transition.phase) else { return Picture::NotWanted };
        // What was decided without a frame has nothing to show.
        let Some(analysed) = &finding.frame else { return Picture::NotWanted };
        let outlines = [transition.incident.bbox];
        let lost = |what: &(dyn std::error::Error + 'static), drops: &Drops| {
            drops.add(Queue::Evidence, 1);
            tracing::error!(camera = %camera.id, error = what, "an incident goes without its picture");
            Picture::Failed
        };
        let (frame, sensitive) = match &finding.still {
            Still::Taken { frame, sensitive } => (frame, sensitive),
            Still::NotWanted | Still::Missing => (analysed, &finding.sensitive),
        };
        let jpeg = match self.redact(frame, sensitive, &outlines) {
            Ok(jpeg) => jpeg,
            Err(error) => return lost(&error, &self.drops),
        };
        let id = self.ids.next(transition.at.wall);
        let path = match self.evidence.write(id, &jpeg) {
            Ok(path) => path,
            Err(error) => return lost(&error, &self.drops),
        };
        let shown = Shown { role, incident: Some(transition.incident.id), captured_at: frame.stamp().wall };
        Picture::Kept(Box::new(self.evidence_file(id, path, &jpeg, shown, transition.at.wall)))
    }

    /// Makes a picture that may be kept: whom the analysis saw is hidden, and every face in it.
    fn redact(
        &mut self,
        frame: &Frame,
        sensitive: &[SensitiveObject],
        outlines: &[BBox],
    ) -> Result<RedactedJpeg, Withheld> {
        let mut hidden = self.faces.find(frame)?;
        hidden.extend_from_slice(sensitive);
        let limits = JpegLimits { quality: self.config.evidence.jpeg_quality, max_bytes: MAX_PICTURE_BYTES };
        Ok(RedactedJpeg::try_from_frame(frame, &hidden, outlines, limits)?)
    }

    /// What is said of a picture that is on disk.
    fn evidence_file(
        &self,
        id: Uuid,
        path: PathBuf,
        jpeg: &RedactedJpeg,
        shown: Shown,
        taken_at: Timestamp,
    ) -> EvidenceFile {
        let (via, destination, topic, reference) = match self.config.evidence.delivery {
            EvidenceDelivery::Mqtt => {
                let (topic, reference) = match shown.incident {
                    Some(incident) => (self.topics.evidence(incident, id), Topics::evidence_ref(incident, id)),
                    None => (self.topics.snapshot(id), Topics::snapshot_ref(id)),
                };
                (DeliveryVia::Mqtt, Destination::Hub, Some(topic), Some(reference))
            }
            EvidenceDelivery::Http => {
                let folder = shown.incident.map_or_else(|| "snapshot".to_owned(), |incident| incident.to_string());
                let name = format!("{folder}/{id}.jpg");
                let reference = self.config.evidence.storage.as_ref().map(|storage| storage.object(&name));
                (DeliveryVia::Http, Destination::Storage, Some(name), reference)
            }
            EvidenceDelivery::None => (DeliveryVia::None, Destination::Hub, None, None),
        };
        let evidence = Evidence {
            id,
            role: shown.role,
            media_type: contract::JPEG.to_owned(),
            sha256: jpeg.sha256().to_owned(),
            size_bytes: jpeg.bytes().len() as u64,
            width: u32::from(jpeg.width()),
            height: u32::from(jpeg.height()),
            captured_at: WallTime::new(shown.captured_at, &self.time_zone),
            expires_at: WallTime::new(taken_at + keep(&self.config), &self.time_zone),
            delivery: Delivery { via, reference },
            redaction: Redaction {
                applied: true,
                classes: jpeg.redaction().classes().iter().map(|class| class.as_str().to_owned()).collect(),
                version: u32::from(jpeg.redaction().version()),
            },
        };
        EvidenceFile { evidence, path, destination, topic }
    }

    /// Deletes pictures and closed incidents past their age, at most once an hour.
    fn sweep(&mut self) {
        let now = self.clocks.mono();
        if self.swept.is_some_and(|last| now.since(last) < Duration::from_hours(1)) {
            return;
        }
        self.swept = Some(now);
        let (wall, keep) = (self.clocks.wall(), keep(&self.config));
        if let Err(error) = self.store.lock().drop_aged(wall, now.0) {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot look for what waits too long");
        }
        match self.store.lock().forget_ended_before(wall - keep) {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "forgot closed incidents past their age"),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "cannot forget old incidents"),
        }
        match self.evidence.remove_older_than(keep, wall) {
            Ok(removed) => {
                if !removed.ids.is_empty() {
                    tracing::info!(count = removed.ids.len(), "deleted pictures past their age");
                }
                for failure in &removed.failures {
                    tracing::warn!(error = failure as &dyn std::error::Error, "a picture past its age stays");
                }
            }
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "cannot delete old pictures"),
        }
    }
}

/// How long pictures and closed incidents are kept.
fn keep(config: &Config) -> Duration {
    Duration::from_secs(u64::from(config.evidence.keep_days) * 86_400)
}
