//! Findings → evidence on disk and rows in the store, in their order, on one thread.
//!
//! A picture is redacted and on disk before the transaction that names it; the incident and its outbox rows are one
//! transaction. While the disk is full or read-only the recorder tries again and the runners wait: nothing that was found
//! is lost. A picture that cannot be made is left out, and the event says so. An event passes the [stages](crate::quality) before it is
//! recorded; one with a defect is kept back, with the reason.

mod clip;
mod configured;
mod event;
mod pictures;
mod sidecar;
mod snapshot;
mod tile;

use crate::analysis::{Finding, Record};
use crate::audit::{Actor, Deed};
use crate::clock::{Clocks, Mono};
use crate::config::Config;
use crate::contract::{Evidence, ModelIdentity, Topics};
use crate::evidence::{Custody, JpegEncoder, RedactedJpeg};
use crate::faces::FaceFinder;
use crate::health::{Drops, Latencies, Stage};
use crate::ids::{IdSource, Name};
use crate::incident::Memo;
use crate::logging::chain;
use crate::quality::{Counts, Stages};
use crate::store::{SharedStore, StoreError};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use uuid::Uuid;

/// Findings that wait for the recorder at most; beyond it the runners wait.
pub const MAX_WAITING: usize = 32;
/// Time between two attempts to write to a disk that refuses.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// What the oldest pictures make room for when the disk is full.
const ROOM_FOR_A_CHANGE: u64 = 1 << 20;

/// Tells the hub's side of the agent what the recorder did.
pub trait Notice: Send + Sync {
    /// New rows are in the outbox.
    fn recorded(&self);
    /// What is open now for a rule; empty when nothing is.
    fn active(&self, camera: &Name, rule: &Name, incidents: Vec<Uuid>);
    /// The picture that the hub asked for under this ticket is on its way, or why there is none.
    fn snapshot(&self, ticket: &str, taken: Result<Evidence, String>);
    /// The picture of a camera, by its index, for somebody who looks at the console, with the time of its frame; or why there is none.
    fn tile(&self, camera: usize, taken_at: Timestamp, made: Result<RedactedJpeg, String>) {
        let _ = (camera, taken_at, made);
    }
}

/// Writes findings; owned by its thread.
pub struct Recorder {
    config: Arc<Config>,
    config_sha256: String,
    time_zone: TimeZone,
    topics: Topics,
    model: ModelIdentity,
    stages: Stages,
    custody: Custody,
    store: SharedStore,
    notice: Arc<dyn Notice>,
    ids: IdSource,
    clocks: Arc<dyn Clocks>,
    latencies: Arc<Latencies>,
    drops: Arc<Drops>,
    faces: Box<dyn FaceFinder>,
    encoder: JpegEncoder,
    /// Incidents whose clip is awaited, and until when.
    awaited: BTreeMap<Uuid, Mono>,
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
    /// Keeps pictures.
    pub custody: Custody,
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
            custody: parts.custody,
            store: parts.store,
            notice: parts.notice,
            ids: IdSource::from_os(),
            clocks: parts.clocks,
            latencies: parts.latencies,
            drops: parts.drops,
            faces: parts.faces,
            encoder: JpegEncoder::default(),
            awaited: BTreeMap::new(),
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
                Ok(Record::Tile(tile)) => self.show_tile(&tile),
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
        let pictures = self.pictures(finding, camera, rule);
        let Some(()) = self
            .insist(give_up, |recorder| recorder.assemble(finding, camera, rule, &pictures))
            .map(|event| self.prepare(event, finding, &pictures))
            .and_then(|event| {
                self.insist(give_up, |recorder| recorder.store(&event, finding, camera, rule, &pictures))
            })
        else {
            tracing::error!(incident = %incident.id, "a finding is lost");
            return;
        };
        self.note(finding, camera);
        self.note_clip(finding, camera, !pictures.files.is_empty());
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
            let told = &error as &dyn std::error::Error;
            if give_up() {
                tracing::error!(error = told, "the store refuses, and the agent is stopping");
                return None;
            }
            if refusals == 0 {
                tracing::error!(error = told, "the store refuses; trying again until it takes it");
            }
            refusals += 1;
            // Pictures may be what fills the disk.
            if matches!(error, StoreError::DiskFull { .. }) {
                self.custody.make_room(ROOM_FOR_A_CHANGE);
            }
            self.sweep();
            std::thread::park_timeout(RETRY_AFTER);
        }
    }

    /// Records that there is no picture of something.
    fn note_withheld(&self, camera: &Name, subject: &str, why: &dyn std::error::Error) {
        let (camera, subject, reason) = (camera.to_string(), subject.to_owned(), chain(why));
        let deed = Deed::PictureWithheld { camera, subject, reason };
        self.custody.audit().note(&Actor::Agent, &deed, self.clocks.wall());
    }

    /// Deletes pictures beyond their limits, and at most once an hour closed incidents past their age.
    fn sweep(&mut self) {
        self.custody.keep_within_limits();
        let now = self.clocks.mono();
        if self.swept.is_some_and(|last| now.since(last) < Duration::from_hours(1)) {
            return;
        }
        self.swept = Some(now);
        let (wall, keep) = (self.clocks.wall(), self.config.evidence.longest_keep());
        if let Err(error) = self.store.lock().drop_aged(wall, now.0) {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot look for what waits too long");
        }
        match self.store.lock().forget_ended_before(wall - keep) {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "forgot closed incidents past their age"),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "cannot forget old incidents"),
        }
    }
}
