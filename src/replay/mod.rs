//! Recordings through the engine that runs live, faster than real time and with the recording's own clock.
//!
//! In: video files of one camera of a configuration. Out: the events that the hub would have got, without pictures. The same
//! input gives the same events, byte for byte: times come from the recording, ids from a seed, and one thread does everything in order.
//! What the network would do is left out: every picture of the file is there, so that idling saves no decoding and nothing is replayed
//! from held groups; the change gate works as it does live.

mod recording;
mod video;

pub(crate) use recording::Recording;
pub use recording::RecordingError;
pub use video::{AnnotatedVideo, VideoError};

use crate::analysis::{Analysis, Attention, Finding, PictureNews, PrepareError, Prepared, Record, Surroundings};
use crate::camera::CameraView;
use crate::clock::{Clocks, MediaTime};
use crate::config::{AnalysisConfig, Config, IdlePace, Loaded};
use crate::contract::{EventParts, FrameSize, IncidentEvent, ModelIdentity, incident_event};
use crate::detect::Detector;
use crate::frame::{Frame, FrameError, FrameStamp};
use crate::health::Latencies;
use crate::ids::IdSource;
use crate::incident::Memory;
use crate::ingest::{FpsCap, Placed};
use crate::mailbox::Mailboxes;
use crate::quality::{Circumstances, EvidenceState, Reservations, Stages};
use crate::status;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use recording::Picture;
use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// Pause of the media timeline between two files.
const BETWEEN_FILES: Duration = Duration::from_secs(1);

/// What happens to the recording on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// Wall time of the first picture.
    pub start: Timestamp,
    /// Seed of the ids.
    pub seed: u64,
    /// Parts of the recording that do not arrive: the camera was away. Since its beginning, in order.
    pub gaps: Vec<Range<Duration>>,
    /// Times since the recording's beginning at which the agent is started anew, in order.
    pub restarts: Vec<Duration>,
}

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The model or the rules.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The recording.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// A picture that cannot be used.
    #[error("failed to take a picture of {path}")]
    Frame {
        /// The file.
        path: PathBuf,
        /// Why.
        source: FrameError,
    },
    /// The time zone of the configuration.
    #[error("failed to find the time zone of the configuration")]
    TimeZone(#[source] jiff::Error),
    /// The detector could not be made.
    #[error("failed to load a detector")]
    NoDetector,
    /// What comes out could not be written.
    #[error("failed to write what was found")]
    Write(#[source] std::io::Error),
    /// The annotated video.
    #[error(transparent)]
    Video(#[from] VideoError),
}

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Length of the recording.
    pub duration: Duration,
    /// Frames judged, inferred or found unchanged.
    pub analysed: u64,
    /// Frames inferred.
    pub inferred: u64,
    /// Events.
    pub events: u64,
}

/// Who is told what a replay finds.
pub trait Audience {
    /// An event that the hub would have got.
    fn event(&mut self, event: &IncidentEvent) -> std::io::Result<()>;

    /// A frame was looked at; `state` says how every rule stands after it.
    fn looked(&mut self, at: &FrameStamp, state: &dyn Fn() -> CameraView) -> std::io::Result<()> {
        let _ = (at, state);
        Ok(())
    }
}

impl<F: FnMut(&IncidentEvent) -> std::io::Result<()>> Audience for F {
    fn event(&mut self, event: &IncidentEvent) -> std::io::Result<()> {
        self(event)
    }
}

/// One camera of a configuration, ready to look at recordings.
pub struct Replay {
    config: Arc<Config>,
    config_sha256: String,
    camera: usize,
    script: Script,
    time_zone: TimeZone,
    model: ModelIdentity,
    stages: Stages,
    analysis: Analysis,
    around: Arc<Around>,
    detector: Detector,
    ids: IdSource,
    sequence: u64,
    video: Option<AnnotatedVideo>,
    pace: FpsCap,
    segment: u32,
    /// Gaps and restarts of the script that are yet to come.
    gaps: VecDeque<Range<Duration>>,
    restarts: VecDeque<Duration>,
    /// Time of the last picture.
    end: Duration,
}

/// What the analysis asks of the agent around it: there is none but this.
struct Around {
    seed: u64,
    is_active: AtomicBool,
}

impl Surroundings for Around {
    fn memory(&self, _: usize) -> Memory {
        Memory::default()
    }
    fn ids(&self, _: usize) -> IdSource {
        IdSource::from_seed(self.seed)
    }
    fn frames_corrupt(&self, _: usize) -> u64 {
        0
    }
    fn attention(&self, _: usize, attention: Attention) {
        self.is_active.store(attention == Attention::Active, Ordering::Relaxed);
    }
    fn picture(&self, _: usize, news: PictureNews) {
        tracing::info!(at = ?news.since.media.0, state = news.state.as_str(), "the picture");
    }
}

impl Replay {
    /// Loads the model and makes the engine of camera `camera` (its index).
    pub fn try_new(
        loaded: Loaded,
        camera: usize,
        script: Script,
        video: Option<AnnotatedVideo>,
        clocks: Arc<dyn Clocks>,
    ) -> Result<Self, ReplayError> {
        let Loaded { mut config, digest_sha256: config_sha256, .. } = loaded;
        let time_zone = TimeZone::get(&config.agent.time_zone).map_err(ReplayError::TimeZone)?;
        // All pictures are decoded anyhow; none is held to be replayed.
        let analysis = &mut config.cameras[camera].analysis;
        *analysis = AnalysisConfig { idle: IdlePace::Fps(idle_fps(analysis)), ..analysis.clone() };
        // One frame after the other: a replay gives the same each time.
        config.model.runners = 1;
        let mut prepared = Prepared::try_new(&config, &*clocks)?;
        let detector = prepared.take_detectors().pop().ok_or(ReplayError::NoDetector)?;
        let model = status::model_identity(prepared.manifest(), prepared.provider());
        let around = Arc::new(Around { seed: script.seed, is_active: AtomicBool::new(false) });
        let mailboxes = Arc::new(Mailboxes::new(config.cameras.len()));
        let surroundings: Arc<dyn Surroundings> = Arc::<Around>::clone(&around);
        // Nobody gives orders, so that nothing comes but from a frame.
        let (records, _) = sync_channel(1);
        let analysis =
            Analysis::new(prepared, mailboxes, surroundings, records, Arc::new(Latencies::default()), clocks);
        let ids = IdSource::from_seed(!script.seed);
        let config = Arc::new(config);
        let (gaps, restarts) = (script.gaps.clone().into(), script.restarts.clone().into());
        Ok(Self {
            stages: Stages::new(Arc::clone(&config), Arc::default()),
            config,
            config_sha256,
            camera,
            script,
            time_zone,
            model,
            analysis,
            around,
            detector,
            ids,
            sequence: 0,
            video,
            pace: FpsCap::new(1.0),
            segment: 0,
            gaps,
            restarts,
            end: Duration::ZERO,
        })
    }

    /// Plays the files one after the other; between two the camera was away for a moment.
    pub fn run(mut self, files: &[PathBuf], audience: &mut dyn Audience) -> Result<Summary, ReplayError> {
        let masks = self.config.cameras[self.camera].masks();
        for (number, path) in files.iter().enumerate() {
            let began = if number == 0 { Duration::ZERO } else { self.end + BETWEEN_FILES };
            self.segment += u32::from(number > 0);
            let mut recording = Recording::open(path)?;
            while let Some(Picture { at, buffer, info }) = recording.next()? {
                let take = |stamp| {
                    Frame::try_from_gst(buffer, &info, stamp)
                        .and_then(|frame| masks.apply(frame))
                        .map_err(|source| ReplayError::Frame { path: path.clone(), source })
                };
                self.show(began + at, take, audience)?;
            }
        }
        self.finish()
    }

    /// Shows the next picture, of so long after the beginning. It is only taken if it is looked at.
    pub fn show(
        &mut self,
        media: Duration,
        take: impl FnOnce(FrameStamp) -> Result<Frame, ReplayError>,
        audience: &mut dyn Audience,
    ) -> Result<(), ReplayError> {
        self.end = media;
        while self.gaps.front().is_some_and(|gap| gap.end <= media) {
            self.gaps.pop_front();
            self.segment += 1;
        }
        if self.gaps.front().is_some_and(|gap| gap.start <= media) {
            return Ok(());
        }
        while self.restarts.front().is_some_and(|at| *at <= media) {
            self.restarts.pop_front();
            self.analysis.begin_anew(self.camera);
            self.segment += 1;
        }
        self.pace.set_fps(self.fps());
        if !self.pace.admit(Placed { media: MediaTime(media), segment: self.segment }) {
            return Ok(());
        }
        let frame = Arc::new(take(FrameStamp::of_recording(media, self.script.start, self.segment))?);
        self.look(&frame, audience)
    }

    /// Completes what is written beside the events.
    pub fn finish(mut self) -> Result<Summary, ReplayError> {
        if let Some(video) = self.video.take() {
            video.finish()?;
        }
        let (analysed, inferred) = (self.analysis.analysed(self.camera), self.analysis.inferred(self.camera));
        Ok(Summary { duration: self.end, analysed, inferred, events: self.sequence })
    }

    fn fps(&self) -> f64 {
        let analysis = &self.config.cameras[self.camera].analysis;
        if self.around.is_active.load(Ordering::Relaxed) { analysis.active } else { idle_fps(analysis) }
    }

    fn look(&mut self, frame: &Arc<Frame>, audience: &mut dyn Audience) -> Result<(), ReplayError> {
        for record in self.analysis.process(self.camera, frame, &mut self.detector) {
            // What only a restart must know stays with the analysis.
            let Record::Change(finding) = record else { continue };
            if let Some(event) = self.event(&finding) {
                audience.event(&event).map_err(ReplayError::Write)?;
            }
        }
        let state = || self.analysis.view(self.camera);
        audience.looked(frame.stamp(), &state).map_err(ReplayError::Write)?;
        if let Some(video) = &mut self.video {
            video.add(
                frame,
                &self.analysis.sensitive(self.camera, frame, &mut self.detector),
                &self.analysis.places(self.camera),
            )?;
        }
        Ok(())
    }

    fn event(&mut self, finding: &Finding) -> Option<IncidentEvent> {
        let camera = &self.config.cameras[self.camera];
        let rule = camera.rules.iter().find(|rule| rule.id == finding.transition.incident.rule)?;
        let layout = finding.frame.as_ref()?.layout();
        let sequence = self.sequence + 1;
        let parts = EventParts {
            agent: &self.config.agent.id,
            time_zone: &self.time_zone,
            camera,
            rule,
            frame: FrameSize { width: layout.width, height: layout.height },
            evidence: &[],
            model: &self.model,
            config_sha256: &self.config_sha256,
        };
        let id = self.ids.next(finding.transition.at.wall);
        let mut event = incident_event(id, sequence, &finding.transition, &parts);
        let reservations = Reservations { picture: finding.picture, evidence: EvidenceState::AsWanted };
        let incident = &finding.transition.incident;
        match self.stages.pass(&mut event, &Circumstances { bbox: incident.bbox, reservations }) {
            Ok(()) => {}
            Err(defect) => {
                tracing::error!(incident = %incident.id, %defect, "the hub would not get an event: it would be kept back");
                return None;
            }
        }
        if incident.closed_at.is_some() {
            self.stages.note_closed(incident.id);
        } else {
            self.stages.note_open(&camera.id, incident);
        }
        self.sequence = sequence;
        Some(event)
    }
}

/// The pace while nothing goes on; where key frames alone would be decoded, that of close watching: the change gate saves the inference.
fn idle_fps(analysis: &AnalysisConfig) -> f64 {
    match analysis.idle {
        IdlePace::Fps(fps) => fps,
        IdlePace::KeyFrames => analysis.active,
    }
}
