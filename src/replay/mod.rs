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
use crate::status;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use recording::Picture;
use std::ops::Range;
use std::path::{Path, PathBuf};
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

/// One camera of a configuration, ready to look at recordings.
pub struct Replay {
    config: Config,
    config_sha256: String,
    camera: usize,
    script: Script,
    time_zone: TimeZone,
    model: ModelIdentity,
    analysis: Analysis,
    around: Arc<Around>,
    detector: Detector,
    ids: IdSource,
    sequence: u64,
    video: Option<AnnotatedVideo>,
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
        Ok(Self {
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
        })
    }

    /// Plays the files one after the other; between two the camera was away for a moment. `tell` is given every event.
    pub fn run(
        mut self,
        files: &[PathBuf],
        tell: &mut dyn FnMut(&IncidentEvent) -> std::io::Result<()>,
    ) -> Result<Summary, ReplayError> {
        let mut pace = FpsCap::new(1.0);
        let (mut segment, mut began, mut end) = (0, Duration::ZERO, Duration::ZERO);
        let mut gaps = self.script.gaps.clone().into_iter().peekable();
        let mut restarts = self.script.restarts.clone().into_iter().peekable();
        for path in files {
            let mut recording = Recording::open(path)?;
            while let Some(picture) = recording.next()? {
                let media = began + picture.at;
                end = media;
                while gaps.peek().is_some_and(|gap| gap.end <= media) {
                    gaps.next();
                    segment += 1;
                }
                if gaps.peek().is_some_and(|gap| gap.start <= media) {
                    continue;
                }
                if restarts.next_if(|at| *at <= media).is_some() {
                    self.analysis.begin_anew(self.camera);
                    segment += 1;
                }
                pace.set_fps(self.fps());
                if pace.admit(Placed { media: MediaTime(media), segment }) {
                    self.look(path, picture, media, segment, tell)?;
                }
            }
            (began, segment) = (end + BETWEEN_FILES, segment + 1);
        }
        if let Some(video) = self.video {
            video.finish()?;
        }
        let (analysed, inferred) = (self.analysis.analysed(self.camera), self.analysis.inferred(self.camera));
        Ok(Summary { duration: end, analysed, inferred, events: self.sequence })
    }

    fn fps(&self) -> f64 {
        let analysis = &self.config.cameras[self.camera].analysis;
        if self.around.is_active.load(Ordering::Relaxed) { analysis.active } else { idle_fps(analysis) }
    }

    fn look(
        &mut self,
        path: &Path,
        picture: Picture,
        media: Duration,
        segment: u32,
        tell: &mut dyn FnMut(&IncidentEvent) -> std::io::Result<()>,
    ) -> Result<(), ReplayError> {
        let stamp = FrameStamp::of_recording(media, self.script.start, segment);
        let frame = Frame::try_from_gst(picture.buffer, &picture.info, stamp);
        let frame = Arc::new(frame.map_err(|source| ReplayError::Frame { path: path.to_path_buf(), source })?);
        for record in self.analysis.process(self.camera, &frame, &mut self.detector) {
            // What only a restart must know stays with the analysis.
            let Record::Change(finding) = record else { continue };
            if let Some(event) = self.event(&finding) {
                tell(&event).map_err(ReplayError::Write)?;
            }
        }
        if let Some(video) = &mut self.video {
            video.add(
                &frame,
                &self.analysis.sensitive(self.camera, &frame, &mut self.detector),
                &self.analysis.places(self.camera),
            )?;
        }
        Ok(())
    }

    fn event(&mut self, finding: &Finding) -> Option<IncidentEvent> {
        let camera = &self.config.cameras[self.camera];
        let rule = camera.rules.iter().find(|rule| rule.id == finding.transition.incident.rule)?;
        let layout = finding.frame.as_ref()?.layout();
        self.sequence += 1;
        let parts = EventParts {
            agent: &self.config.agent.id,
            time_zone: &self.time_zone,
            camera,
            rule,
            place: &self.config.place,
            frame: FrameSize { width: layout.width, height: layout.height },
            evidence: &[],
            model: &self.model,
            config_sha256: &self.config_sha256,
        };
        let id = self.ids.next(finding.transition.at.wall);
        Some(incident_event(id, self.sequence, &finding.transition, &parts))
    }
}

/// The pace while nothing goes on; where key frames alone would be decoded, that of close watching: the change gate saves the inference.
fn idle_fps(analysis: &AnalysisConfig) -> f64 {
    match analysis.idle {
        IdlePace::Fps(fps) => fps,
        IdlePace::KeyFrames => analysis.active,
    }
}
