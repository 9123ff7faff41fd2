//! Camera → frames: connect, supervise, decode, reconnect.
//!
//! In: a camera's RTSP stream. Out, from the camera's own thread `ingest-<id>`: [`Frame`]s with their three times, and
//! every change of the camera's [`CameraState`] with its reason.
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
//! Must not: hold more than two decoded pictures and `hold_bytes` of compressed ones per camera, know a rule, judge a picture's content.

mod address;
mod backoff;
mod camera;
mod decoder;
mod errand;
mod failure;
mod fps_cap;
mod gate;
mod limiter;
mod pace;
mod pipeline;
mod stats;
mod stop;
mod stream;
mod timeline;
mod wall;

pub use backoff::BackoffSettings;
pub use failure::Failure;
pub(crate) use fps_cap::FpsCap;
pub use gate::Decoding;
pub use limiter::ConnectLimiter;
pub use pace::{CameraControl, Pace};
pub use stats::{DecodingInUse, IngestStats};
pub(crate) use timeline::Placed;

use crate::clock::Clocks;
use crate::config::RtspConfig;
use crate::frame::Frame;
use crate::ids::Name;
use camera::{Camera, Surroundings};
use gate::HoldLimits;
use pace::PaceSwitch;
use stats::Counters;
use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use stop::StopFlag;

/// A camera to watch.
#[derive(Debug, Clone)]
pub struct CameraSource {
    /// Its name; also that of its thread.
    pub id: Name,
    /// Where its stream is and how to log in.
    pub rtsp: RtspConfig,
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

/// Video codec of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// ITU-T H.264, AVC.
    H264,
    /// ITU-T H.265, HEVC.
    H265,
}

impl Codec {
    /// The codec's name in the status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
        }
    }
}

/// What an online camera sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamInfo {
    /// Its codec.
    pub codec: Codec,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Name of the platform whose decoder is used, as in `pipelines/`.
    pub decoder: String,
}

/// Whether a camera gives pictures, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameraState {
    /// The first attempt since the agent began to watch it.
    Connecting,
    /// Pictures come.
    Online(StreamInfo),
    /// Pictures came, and then no more, though the connection stood.
    Stalled {
        /// What was noticed.
        reason: Failure,
        /// Failures in a row.
        attempt: u32,
        /// The wait before the next attempt.
        retry_in: Duration,
    },
    /// No connection.
    Offline {
        /// What failed.
        reason: Failure,
        /// Failures in a row.
        attempt: u32,
        /// The wait before the next attempt.
        retry_in: Duration,
    },
    /// The camera refuses user or password.
    Unauthorised {
        /// Failures in a row.
        attempt: u32,
        /// The wait before the next attempt.
        retry_in: Duration,
    },
    /// The configuration says to leave it alone; nothing is running for it.
    Disabled,
}

impl CameraState {
    /// The state's name in the status.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Online(_) => "online",
            Self::Stalled { .. } => "stalled",
            Self::Offline { .. } => "offline",
            Self::Unauthorised { .. } => "unauthorised",
            Self::Disabled => "disabled",
        }
    }

    /// What failed; none while nothing has.
    #[must_use]
    pub fn reason(&self) -> Option<&Failure> {
        match self {
            Self::Stalled { reason, .. } | Self::Offline { reason, .. } => Some(reason),
            Self::Unauthorised { .. } => Some(&Failure::Unauthorised),
            Self::Connecting | Self::Online(_) | Self::Disabled => None,
        }
    }

    /// The wait before the next attempt; none while no attempt is due.
    #[must_use]
    pub fn retry_in(&self) -> Option<Duration> {
        match self {
            Self::Stalled { retry_in, .. } | Self::Offline { retry_in, .. } | Self::Unauthorised { retry_in, .. } => {
                Some(*retry_in)
            }
            Self::Connecting | Self::Online(_) | Self::Disabled => None,
        }
    }

    /// Whether a hub that knows `self` learns nothing new from `other` but the count of attempts.
    #[must_use]
    pub fn same_kind(&self, other: &Self) -> bool {
        let stream = |state: &Self| match state {
            Self::Online(stream) => Some(stream.clone()),
            Self::Connecting
            | Self::Stalled { .. }
            | Self::Offline { .. }
            | Self::Unauthorised { .. }
            | Self::Disabled => None,
        };
        let code = |state: &Self| state.reason().map(Failure::code);
        self.as_str() == other.as_str() && code(self) == code(other) && stream(self) == stream(other)
    }

    /// The state after a failure.
    fn after(reason: Failure, attempt: u32, retry_in: Duration) -> Self {
        if reason == Failure::Unauthorised {
            Self::Unauthorised { attempt, retry_in }
        } else if matches!(reason, Failure::Stalled(_)) {
            Self::Stalled { reason, attempt, retry_in }
        } else {
            Self::Offline { reason, attempt, retry_in }
        }
    }
}

impl fmt::Display for CameraState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Online(stream) => {
                let StreamInfo { codec, width, height, decoder } = stream;
                write!(f, "online: {} {width}x{height}, decoded by {decoder}", codec.as_str())
            }
            Self::Stalled { .. } | Self::Offline { .. } | Self::Unauthorised { .. } => {
                f.write_str(self.as_str())?;
                if let (Some(reason), Some(retry_in)) = (self.reason(), self.retry_in()) {
                    write!(f, ": {reason}; next attempt in {:.1} s", retry_in.as_secs_f64())?;
                }
                Ok(())
            }
            Self::Disabled => f.write_str("disabled"),
        }
    }
}

/// A camera that is being watched. Dropping it tells its thread to stop without waiting for it.
pub struct Ingest {
    stop: Arc<StopFlag>,
    pace: Arc<PaceSwitch>,
    ended: Receiver<()>,
    thread: Option<JoinHandle<()>>,
    counters: Arc<Mutex<Counters>>,
    clocks: Arc<dyn Clocks>,
}

/// A camera's thread did not stop in time; it goes on by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the camera's thread did not stop in time")]
pub struct StillRunning;

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
        let (stop, pace) = (Arc::<StopFlag>::default(), Arc::new(PaceSwitch::new(source.fps)));
        let counters = Arc::<Mutex<Counters>>::default();
        let name = format!("ingest-{}", source.id);
        let around = Surroundings {
            sink,
            clocks: Arc::clone(&clocks),
            limiter,
            stop: Arc::clone(&stop),
            pace: Arc::clone(&pace),
            counters: Arc::clone(&counters),
        };
        let camera = Camera::new(source, settings, around);
        let (end, ended) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || {
                // Dropped when the thread ends, however it ends.
                let _end: SyncSender<()> = end;
                camera.run();
            })
            .map_err(|error| Failure::Internal(error.to_string()))?;
        Ok(Self { stop, pace, ended, thread: Some(thread), counters, clocks })
    }

    /// Counters and rates as of now.
    ///
    /// # Panics
    /// If the camera's thread panicked while counting, which it does not.
    #[must_use]
    pub fn stats(&self) -> IngestStats {
        let now = self.clocks.mono();
        let mut counters = self.counters.lock().expect("no holder of this lock panics");
        counters.tick(now);
        counters.totals
    }

    /// Sets how much of the stream is decoded from now on, over reconnects; [`Decoding::All`] at the start. See
    /// [`CameraControl::set_pace`].
    pub fn set_decoding(&self, decoding: Decoding) {
        self.pace.set_decoding(decoding);
    }

    /// A hold on the camera for those who judge its frames.
    #[must_use]
    pub fn control(&self) -> CameraControl {
        CameraControl { pace: Arc::clone(&self.pace), counters: Arc::clone(&self.counters) }
    }

    /// Tells the thread to stop, without waiting: so that all cameras of a box stop at once.
    pub fn request_stop(&self) {
        self.stop.set();
    }

    /// Stops the camera: says TEARDOWN, takes the pipeline down, ends the thread. No frame or state comes after an `Ok`.
    pub fn stop(mut self, limit: Duration) -> Result<(), StillRunning> {
        self.stop.set();
        if self.ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            return Err(StillRunning);
        }
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("a camera's thread panicked");
        }
        Ok(())
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        self.stop.set();
    }
}
