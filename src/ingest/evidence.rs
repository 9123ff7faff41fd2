//! The stream for pictures: received and supervised like the one that is analysed, and not decoded. Its last key frame is kept,
//! compressed, and decoded when a picture is wanted.
//!
//! Limits: one key frame of at most [`MAX_KEY_FRAME_BYTES`] per camera; one decoder, for as long as it decodes one picture.

use super::errand::{Errands, Late};
use super::failure::Failure;
use super::pipeline::{Picture, Tail};
use super::stats::{Counters, DecodingInUse};
use super::supervisor::{Consumer, Subject, Supervisor, Surroundings};
use super::thread::StreamThread;
use super::wall::{WallTime, wall_time};
use super::{CameraState, Codec, ConnectLimiter, IngestSettings, StillRunning, analysed, decoder, still};
use crate::clock::{Clocks, MediaTime, Mono};
use crate::config::RtspConfig;
use crate::frame::{Frame, FrameError, FrameStamp};
use crate::ids::Name;
use crate::mask::PrivacyMasks;
use gstreamer as gst;
use gstreamer_video::VideoInfo;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A key frame older than this shows another moment than the one that a picture is wanted of. Longer than most cameras' interval
/// between key frames.
pub const MAX_STILL_AGE: Duration = Duration::from_secs(6);
/// The largest key frame that is kept: several times that of a 4K camera.
const MAX_KEY_FRAME_BYTES: usize = 8 << 20;
/// How long a key frame may take to be decoded; on a loaded box of two slow cores a 4K frame takes about half a second.
const STILL_LIMIT: Duration = Duration::from_secs(3);

/// Why there is no picture of the evidence stream.
#[derive(Debug, thiserror::Error)]
pub enum StillError {
    /// The stream has not given one since it was last interrupted.
    #[error("no key frame of the evidence stream has come")]
    NoKeyFrame,
    /// It is not of the moment that is asked for.
    #[error("the last key frame of the evidence stream is {:.1} s old", .0.as_secs_f64())]
    TooOld(Duration),
    /// The key frame is too large to be kept.
    #[error("the key frame of the evidence stream has {0} bytes")]
    TooLarge(usize),
    /// It cannot be decoded.
    #[error("the key frame of the evidence stream cannot be decoded: {0}")]
    Decode(String),
    /// The decoder did not answer in time.
    #[error("the decoder took more than {} s for a key frame of the evidence stream", .0.as_secs())]
    Late(Duration),
    /// The decoded picture cannot be used.
    #[error("the picture of the evidence stream cannot be used")]
    Frame(#[from] FrameError),
}

/// A camera's stream for pictures.
#[derive(Debug, Clone)]
pub struct EvidenceSource {
    /// The camera.
    pub camera: Name,
    /// Where the stream is and how to log in.
    pub rtsp: RtspConfig,
    /// What is painted over in every picture.
    pub masks: PrivacyMasks,
}

/// The evidence stream of a camera, being watched. Dropping it tells its thread to stop without waiting for it.
pub struct EvidenceStream {
    thread: StreamThread,
    stills: Stills,
}

impl EvidenceStream {
    /// Begins to watch a camera's evidence stream. `report` takes each change of state and each failed attempt, on the stream's own
    /// thread. Fails only if GStreamer or a thread cannot be started.
    pub fn start(
        source: EvidenceSource,
        settings: IngestSettings,
        report: impl Fn(CameraState) + Send + 'static,
        clocks: Arc<dyn Clocks>,
        limiter: Arc<ConnectLimiter>,
    ) -> Result<Self, Failure> {
        gstreamer::init().map_err(|error| Failure::Internal(error.to_string()))?;
        let (stop, counters, shelf) = (Arc::default(), Arc::<Mutex<Counters>>::default(), Arc::<Shelf>::default());
        let EvidenceSource { camera, rtsp, masks } = source;
        let name = format!("evidence-{camera}");
        let around = Surroundings {
            report: Box::new(report),
            clocks: Arc::clone(&clocks),
            limiter,
            stop: Arc::clone(&stop),
            counters: Arc::clone(&counters),
        };
        let stills =
            Stills { shelf: Arc::clone(&shelf), clocks: Arc::clone(&clocks), errands: Errands::default(), masks };
        let consumer = KeyFrameKeeper { shelf, clocks: Arc::clone(&clocks), size_px: None };
        let supervisor = Supervisor::new(Subject { camera, stream: "evidence", rtsp }, settings, around, consumer);
        Ok(Self { thread: StreamThread::start(name, supervisor, stop, counters, clocks)?, stills })
    }

    /// The way to its pictures. Outlives the stream without harm.
    #[must_use]
    pub fn stills(&self) -> Stills {
        self.stills.clone()
    }

    /// Tells the thread to stop, without waiting.
    pub fn request_stop(&self) {
        self.thread.request_stop();
    }

    /// Stops the stream: says TEARDOWN, takes the pipeline down, ends the thread. No state comes after an `Ok`.
    pub fn stop(self, limit: Duration) -> Result<(), StillRunning> {
        self.thread.stop(limit)
    }
}

/// The pictures of an evidence stream.
#[derive(Clone)]
pub struct Stills {
    shelf: Arc<Shelf>,
    clocks: Arc<dyn Clocks>,
    errands: Errands,
    masks: PrivacyMasks,
}

impl Stills {
    /// Decodes the last key frame, which came at most [`MAX_STILL_AGE`] ago. Blocks for a few times as long as a frame takes to be
    /// decoded (30 ms at 1080p), and never longer than three seconds.
    ///
    /// The frame's stamp has its wall time and its arrival; it is on no media timeline.
    pub fn latest(&self) -> Result<Frame, StillError> {
        let kept = self.shelf.lock().clone().ok_or(StillError::NoKeyFrame)?;
        let age = self.clocks.mono().since(kept.arrived);
        if age > MAX_STILL_AGE {
            return Err(StillError::TooOld(age));
        }
        let size_bytes = kept.unit.size();
        if size_bytes > MAX_KEY_FRAME_BYTES {
            return Err(StillError::TooLarge(size_bytes));
        }
        let stamp = kept.stamp();
        self.errands.check().map_err(|failure| StillError::Decode(failure.to_string()))?;
        let decode = move || {
            let decoder = decoder::software(kept.codec)?;
            still::decode(kept.codec, &decoder.bin, &kept.caps, [kept.unit], STILL_LIMIT)
        };
        let decoded = self.errands.run("evidence-still", STILL_LIMIT, decode);
        let sample = match decoded.map_err(|failure| StillError::Decode(failure.to_string()))? {
            Ok(decoded) => decoded.map_err(StillError::Decode)?,
            Err(Late) => return Err(StillError::Late(STILL_LIMIT)),
        };
        let unusable = || StillError::Decode("the decoder gave no picture".to_owned());
        let format = sample.caps().and_then(|caps| VideoInfo::from_caps(caps).ok()).ok_or_else(unusable)?;
        let frame = Frame::try_from_gst(sample.buffer_owned().ok_or_else(unusable)?, &format, stamp)?;
        Ok(self.masks.apply(frame)?)
    }

    /// Wall time of the last key frame; none if none has come since the stream was last interrupted.
    #[must_use]
    pub fn last_key_frame(&self) -> Option<jiff::Timestamp> {
        self.shelf.lock().as_ref().map(|kept| kept.time.wall)
    }
}

/// The place for one key frame.
#[derive(Default)]
struct Shelf(Mutex<Option<KeyFrame>>);

impl Shelf {
    fn lock(&self) -> MutexGuard<'_, Option<KeyFrame>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A compressed picture that can be decoded alone.
#[derive(Clone)]
struct KeyFrame {
    codec: Codec,
    caps: gst::Caps,
    unit: gst::Buffer,
    arrived: Mono,
    time: WallTime,
}

impl KeyFrame {
    fn stamp(&self) -> FrameStamp {
        FrameStamp {
            media: MediaTime::default(),
            mono: self.arrived,
            wall: self.time.wall,
            clock_quality: self.time.quality,
            clock_offset: self.time.offset,
            segment: 0,
        }
    }
}

/// Keeps the last key frame of a stream.
struct KeyFrameKeeper {
    shelf: Arc<Shelf>,
    clocks: Arc<dyn Clocks>,
    size_px: Option<(gst::Caps, (u32, u32))>,
}

impl Consumer for KeyFrameKeeper {
    fn tail(&self) -> Tail {
        Tail::Compressed
    }

    fn size_px(&mut self, picture: &Picture) -> Result<(u32, u32), Failure> {
        if let Some((known, size_px)) = &self.size_px
            && *known == picture.caps
        {
            return Ok(*size_px);
        }
        let side = |name| {
            let found = picture.caps.structure(0).and_then(|format| format.get::<i32>(name).ok());
            found.and_then(|side| u32::try_from(side).ok())
        };
        let size_px = side("width").zip(side("height"));
        let size_px = size_px.ok_or_else(|| Failure::Stream("a picture without a size".to_owned()))?;
        self.size_px = Some((picture.caps.clone(), size_px));
        Ok(size_px)
    }

    fn take(&mut self, picture: Picture, now: Mono) -> Result<(), Failure> {
        if picture.buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) {
            return Ok(());
        }
        let codec = picture.caps.structure(0).and_then(|format| Codec::from_media_type(format.name()));
        let codec = codec.ok_or_else(|| Failure::Stream("a picture of no known codec".to_owned()))?;
        let arrival = self.clocks.wall() - picture.lag.min(analysed::MAX_LAG);
        let time = wall_time(arrival, picture.ntp);
        let kept = KeyFrame { codec, caps: picture.caps, unit: picture.buffer, arrived: now, time };
        *self.shelf.lock() = Some(kept);
        Ok(())
    }

    fn decoding(&mut self, _: DecodingInUse) {}

    fn interrupt(&mut self, _: Option<&Failure>) {
        *self.shelf.lock() = None;
    }
}
