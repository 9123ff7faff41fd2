//! Cameras that are watched: their streams, and where frames and states go.

use super::{Agent, AppError, Core, INGEST_STOP_LIMIT, chain};
use crate::analysis::Attention;
use crate::clock::Mono;
use crate::command::Outcome;
use crate::config::{AnalysisConfig, CameraConfig, IdlePace};
use crate::frame::Frame;
use crate::health::Queue;
use crate::ids::Name;
use crate::ingest::{
    CameraControl, CameraSource, CameraState, ConnectLimiter, Decoding, EvidenceSource, EvidenceStream, Ingest,
    IngestSettings, Pace, Sink, StillRunning, Stills,
};
use crate::status::{CameraView, StreamView};
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// The streams of a camera that is watched.
pub(super) struct Watched {
    pub(super) detect: Ingest,
    pub(super) evidence: Option<EvidenceStream>,
}

/// What the analysis holds of a camera.
pub(super) struct Hold {
    pub(super) control: CameraControl,
    pub(super) stills: Option<Stills>,
}

impl Watched {
    pub(super) fn hold(&self) -> Arc<Hold> {
        let stills = self.evidence.as_ref().map(EvidenceStream::stills);
        Arc::new(Hold { control: self.detect.control(), stills })
    }

    pub(super) fn request_stop(&self) {
        self.detect.request_stop();
        if let Some(evidence) = &self.evidence {
            evidence.request_stop();
        }
    }

    /// Stops both streams; an error tells that one did not stop in time.
    pub(super) fn stop(self, limit: impl Fn() -> Duration) -> Result<(), StillRunning> {
        let detect = self.detect.stop(limit());
        let evidence = self.evidence.map_or(Ok(()), |evidence| evidence.stop(limit()));
        detect.and(evidence)
    }
}

/// A camera's frames and states, on their way to the mailboxes and the views.
pub(super) struct CameraSink {
    core: Arc<Core>,
    camera: usize,
}

impl Sink for CameraSink {
    fn frame(&self, frame: Frame) {
        if self.core.mailboxes.put(self.camera, frame) {
            self.core.drops.add(Queue::Mailbox, 1);
        }
    }

    fn replayed_frame(&self, frame: Frame) {
        if self.core.mailboxes.put_replayed(self.camera, frame) {
            self.core.drops.add(Queue::Mailbox, 1);
        }
    }

    fn state(&self, state: CameraState) {
        self.core.update_view(self.camera, |view, mono, now| view.detect.update(state, mono, now));
    }
}

/// Whether a camera is to be watched.
pub(super) fn is_on(camera: &CameraConfig, switched_off: &BTreeSet<Name>) -> bool {
    camera.enabled && !switched_off.contains(&camera.id)
}

/// A camera whose streams are about to begin, if it is to be watched.
pub(super) fn awaited(camera: &CameraConfig, is_on: bool, now: jiff::Timestamp) -> CameraView {
    unseen(Some(camera), if is_on { CameraState::Connecting } else { CameraState::Disabled }, now)
}

/// A camera of which nothing has been seen.
pub(super) fn unseen(camera: Option<&CameraConfig>, state: CameraState, now: jiff::Timestamp) -> CameraView {
    let detect = StreamView::new(state, now);
    let evidence = camera.and_then(|camera| camera.streams.evidence.as_ref()).map(|_| detect.clone());
    CameraView { evidence, detect, picture: None }
}

/// How a camera is decoded and analysed.
pub(super) fn pace(analysis: &AnalysisConfig, attention: Attention) -> Pace {
    match (attention, analysis.idle) {
        (Attention::Active, _) => Pace { decoding: Decoding::All, fps: analysis.active },
        (Attention::Idle, IdlePace::Fps(fps)) => Pace { decoding: Decoding::All, fps },
        // Key frames come as the camera sends them; the limit is for one that sends nothing else.
        (Attention::Idle, IdlePace::KeyFrames) => Pace { decoding: Decoding::KeyFrames, fps: analysis.active },
    }
}

impl Core {
    /// Starts to watch a camera.
    pub(super) fn watch_camera(
        self: &Arc<Self>,
        index: usize,
        limiter: &Arc<ConnectLimiter>,
    ) -> Result<Watched, AppError> {
        let roster = self.roster();
        let camera = roster.camera(index);
        let failed = |source| AppError::Ingest { camera: camera.id.to_string(), source };
        let source = CameraSource {
            id: camera.id.clone(),
            rtsp: camera.streams.detect.clone(),
            decoders: Arc::clone(&self.decoders),
            masks: camera.masks(),
            fps: camera.analysis.active,
        };
        let sink = Arc::new(CameraSink { core: Arc::clone(self), camera: index });
        let ingest =
            Ingest::start(source, IngestSettings::default(), sink, Arc::clone(&self.clocks), Arc::clone(limiter))
                .map_err(failed)?;
        ingest.control().set_pace(pace(&camera.analysis, Attention::Idle));
        let evidence = camera.streams.evidence().map(|rtsp| {
            let states = Arc::clone(self);
            let report = move |state| {
                states.update_view(index, |view, mono, now| {
                    if let Some(evidence) = &mut view.evidence {
                        evidence.update(state, mono, now);
                    }
                });
            };
            let (settings, clocks, limiter) =
                (IngestSettings::default(), Arc::clone(&self.clocks), Arc::clone(limiter));
            let source = EvidenceSource { camera: camera.id.clone(), rtsp, masks: camera.masks() };
            EvidenceStream::start(source, settings, report, clocks, limiter).map_err(failed)
        });
        let watched = Watched { detect: ingest, evidence: evidence.transpose()? };
        self.holds.write().unwrap_or_else(PoisonError::into_inner)[index] = Some(watched.hold());
        Ok(watched)
    }

    pub(super) fn is_watched(&self, camera: usize) -> bool {
        self.holds.read().unwrap_or_else(PoisonError::into_inner)[camera].is_some()
    }

    pub(super) fn update_view(&self, camera: usize, change: impl FnOnce(&mut CameraView, Mono, jiff::Timestamp)) {
        let (mono, now) = (self.clocks.mono(), self.clocks.wall());
        change(&mut self.views.lock().unwrap_or_else(PoisonError::into_inner)[camera], mono, now);
        self.changed.notify_one();
    }
}

impl Agent {
    /// Switches a camera off or on, and remembers it over a restart.
    pub(super) fn switch_camera(&mut self, camera: usize, is_on: bool) -> Outcome {
        let core = Arc::clone(&self.core);
        let roster = core.roster();
        let id = &roster.camera(camera).id;
        if let Err(error) = core.store.lock().switch_camera(id, is_on) {
            return Outcome::failed(chain(&error));
        }
        match (is_on, self.watched[camera].take()) {
            (true, None) => {
                // The media time begins anew, and with it the engine.
                if let Some(analysis) = core.analysis.get() {
                    analysis.begin_anew(camera);
                }
                core.update_view(camera, |view, mono, now| view.update(&CameraState::Connecting, mono, now));
                match core.watch_camera(camera, &self.limiter) {
                    Ok(watched) => self.watched[camera] = Some(watched),
                    Err(error) => return Outcome::failed(chain(&error)),
                }
            }
            (false, Some(watched)) => {
                core.holds.write().unwrap_or_else(PoisonError::into_inner)[camera] = None;
                let deadline = Mono(core.clocks.mono().0 + INGEST_STOP_LIMIT);
                if let Err(error) = watched.stop(|| deadline.since(core.clocks.mono())) {
                    tracing::warn!(camera = %id, "{error}");
                }
                core.update_view(camera, |view, mono, now| view.update(&CameraState::Disabled, mono, now));
            }
            (_, watched) => self.watched[camera] = watched,
        }
        tracing::info!(camera = %id, is_on, "the hub switched a camera");
        Outcome::ok()
    }
}
