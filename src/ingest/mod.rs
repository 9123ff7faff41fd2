//! Camera → frames: connect, supervise, decode, reconnect.
//!
//! In: a camera's RTSP stream. Out, from the camera's own thread `ingest-<id>`: [`Frame`]s with their three times, and
//! every change of the camera's [`CameraState`] with its reason. A second stream, for pictures, has a thread `evidence-<id>`: of it the
//! last key frame is kept and decoded on request ([`EvidenceStream`]).
//!
//! Adaptive decoding: while a camera is idle only key frames are decoded; the units between are held, compressed. When it is to be
//! watched closely, they are decoded after all, from the key frame before the last one on, and passed on as
//! [replayed](Sink::replayed_frame).
//!
//! Invariants: media time rises strictly over the whole life of an [`Ingest`], but for the steps back at which replayed frames begin,
//! and a new `segment` begins at every interruption. Nothing is passed on between a loss and the next whole key frame. No call blocks without a limit: what
//! does not return is left behind on a thread of its own, counted, and bounded per camera. User and password reach
//! GStreamer as properties; they are in no URL, log or message.
//!
//! Must not: hold more than two decoded pictures, `hold_bytes` of compressed ones and one key frame of the evidence stream per camera, know a rule, judge a picture's content.

mod address;
mod analysed;
mod backoff;
mod clock_watch;
mod damage;
mod decoder;
mod errand;
mod evidence;
mod failure;
mod fps_cap;
mod gate;
mod limiter;
mod pace;
mod pipeline;
mod state;
mod stats;
mod still;
mod stop;
mod stream;
mod supervisor;
mod thread;
mod timeline;
mod wall;

pub use backoff::BackoffSettings;
pub use clock_watch::ClockAlarm;
pub use decoder::{DecoderChoice, Decoders, PassedOver, Platform};
pub use evidence::{EvidenceSource, EvidenceStream, MAX_STILL_AGE, StillError, Stills};
pub use failure::Failure;
pub(crate) use fps_cap::FpsCap;
pub use gate::Decoding;
pub use limiter::ConnectLimiter;
pub use pace::{CameraControl, Pace};
pub use state::{CameraState, Codec, StreamInfo};
pub use stats::{DecodingInUse, IngestStats};
pub use thread::StillRunning;
pub(crate) use timeline::Placed;

use crate::clock::Clocks;
use crate::config::RtspConfig;
use crate::frame::Frame;
use crate::ids::Name;
use crate::mask::PrivacyMasks;
use analysed::Analysed;
use gate::HoldLimits;
use pace::PaceSwitch;
use stats::Counters;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use supervisor::{Subject, Supervisor, Surroundings};
use thread::StreamThread;

/// A camera to watch.
#[derive(Debug, Clone)]
pub struct CameraSource {
    /// Its name; also that of its thread.
    pub id: Name,
    /// Where its analysed stream is and how to log in.
    pub rtsp: RtspConfig,
    /// What decodes it.
    pub decoders: Arc<Decoders>,
    /// What is painted over in every frame.
    pub masks: PrivacyMasks,
    /// Frames passed on per second of media time, at most, until [another pace](CameraControl::set_pace) is set.
    pub fps: f64,
}

/// Where a camera's frames and states go. Called from the camera's own thread only.
pub trait Sink: Send + Sync + 'static {
    /// Takes a frame; must not block.
    fn frame(&self, frame: Frame);
    /// Takes a frame of those that were held and are decoded late; they go back in media time, come in a burst, and lead up to
    /// the frames after them. Must not block.
    fn replayed_frame(&self, frame: Frame) {
        self.frame(frame);
    }
    /// Takes the camera's state: each change, and each failed attempt to reach it.
    fn state(&self, state: CameraState);
}

/// Limits of the supervision of a camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IngestSettings {
    /// How long the camera may take to accept a connection, and to answer a request.
    pub answer_limit: Duration,
    /// How long the first picture may take: at most the camera's longest interval between key frames, with room.
    pub first_picture_limit: Duration,
    /// The age of the last picture at which the stream is stalled.
    pub stall_limit: Duration,
    /// How long GStreamer may take for a change of state.
    pub state_limit: Duration,
    /// The longest step forward of the stream's clock that is taken for time that passed.
    pub max_gap: Duration,
    /// Compressed bytes held per camera while only key frames are decoded.
    pub hold_bytes: usize,
    /// Time from a key frame on for which units are held while only key frames are decoded: with a longer interval between
    /// key frames everything is decoded after all. Below [`stall_limit`](Self::stall_limit).
    pub hold_limit: Duration,
    /// How long a connection must have given pictures for its end to count as a first failure.
    pub stable_after: Duration,
    /// Waits between attempts.
    pub backoff: BackoffSettings,
    /// Seeds the jitter of the waits, together with the camera's name.
    pub seed: u64,
}

impl Default for IngestSettings {
    fn default() -> Self {
        Self {
            answer_limit: Duration::from_secs(5),
            first_picture_limit: Duration::from_secs(20),
            stall_limit: Duration::from_secs(10),
            state_limit: Duration::from_secs(5),
            max_gap: Duration::from_secs(10),
            hold_bytes: 4 << 20,
            hold_limit: Duration::from_secs(6),
            stable_after: Duration::from_secs(10),
            backoff: BackoffSettings::default(),
            seed: rand::random(),
        }
    }
}

impl IngestSettings {
    fn hold_limits(&self) -> HoldLimits {
        HoldLimits { size_bytes: self.hold_bytes, duration: self.hold_limit }
    }
}

/// A camera's analysed stream, being watched. Dropping it tells its thread to stop without waiting for it.
pub struct Ingest {
    thread: StreamThread,
    control: CameraControl,
}

impl Ingest {
    /// Begins to watch a camera. Fails only if GStreamer or a thread cannot be started; everything else is a state of
    /// the camera, told to `sink`, and tried again.
    pub fn start(
        source: CameraSource,
        settings: IngestSettings,
        sink: Arc<dyn Sink>,
        clocks: Arc<dyn Clocks>,
        limiter: Arc<ConnectLimiter>,
    ) -> Result<Self, Failure> {
        gstreamer::init().map_err(|error| Failure::Internal(error.to_string()))?;
        let (stop, pace) = (Arc::default(), Arc::new(PaceSwitch::new(source.fps)));
        let counters = Arc::<Mutex<Counters>>::default();
        let control = CameraControl { pace: Arc::clone(&pace), counters: Arc::clone(&counters) };
        let name = format!("ingest-{}", source.id);
        let states = Arc::clone(&sink);
        let around = Surroundings {
            report: Box::new(move |state| states.state(state)),
            clocks: Arc::clone(&clocks),
            limiter,
            stop: Arc::clone(&stop),
            counters: Arc::clone(&counters),
        };
        let subject = Subject { camera: source.id.clone(), stream: "detect", rtsp: source.rtsp.clone() };
        let consumer = Analysed::new(source, settings, sink, Arc::clone(&clocks), pace, Arc::clone(&counters));
        let supervisor = Supervisor::new(subject, settings, around, consumer);
        Ok(Self { thread: StreamThread::start(name, supervisor, stop, counters, clocks)?, control })
    }

    /// Counters and rates as of now.
    ///
    /// # Panics
    /// If the camera's thread panicked while counting, which it does not.
    #[must_use]
    pub fn stats(&self) -> IngestStats {
        self.thread.stats()
    }

    /// Sets how much of the stream is decoded from now on, over reconnects; [`Decoding::All`] at the start. See
    /// [`CameraControl::set_pace`].
    pub fn set_decoding(&self, decoding: Decoding) {
        self.control.pace.set_decoding(decoding);
    }

    /// A hold on the camera for those who judge its frames.
    #[must_use]
    pub fn control(&self) -> CameraControl {
        self.control.clone()
    }

    /// Tells the thread to stop, without waiting: so that all cameras of a box stop at once.
    pub fn request_stop(&self) {
        self.thread.request_stop();
    }

    /// Stops the camera: says TEARDOWN, takes the pipeline down, ends the thread. No frame or state comes after an `Ok`.
    pub fn stop(self, limit: Duration) -> Result<(), StillRunning> {
        self.thread.stop(limit)
    }
}
