//! What a camera's stream is, found out by watching it for a few seconds as the agent would.
//!
//! Only key frames are decoded, so that the times between them show the length of the group of pictures. Says nothing of the login but whether it
//! was accepted.

use crate::clock::{Clocks, Mono};
use crate::config::RtspConfig;
use crate::frame::{Frame, FrameStamp};
use crate::ids::Name;
use crate::ingest::{
    CameraSource, CameraState, ConnectLimiter, Decoders, Decoding, Failure, Ingest, IngestSettings, IngestStats, Pace,
    Sink, StreamInfo,
};
use crate::mask::PrivacyMasks;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The longest interval between key frames with which a camera may idle at key frames, with room for a jittery network.
const MAX_GROUP: Duration = Duration::from_millis(5_500);
/// How long taking the stream down may take.
const STOP_LIMIT: Duration = Duration::from_secs(2);
/// A picture wider than this is dearer to decode than what the detector sees of it is worth.
const LARGE_WIDTH: u32 = 1280;
/// A camera's clock that is farther off is not believed.
const CLOCK_LIMIT_SECS: f64 = 2.0;

/// What was found.
#[derive(Debug, Clone)]
pub struct Probed {
    /// Codec, size and decoder.
    pub stream: StreamInfo,
    /// Pictures per second.
    pub fps: f64,
    /// From the first attempt to the first picture.
    pub first_picture: Duration,
    /// Between two key frames, the middle of those seen; none if fewer than two came.
    pub group: Option<Duration>,
    /// The last picture's times.
    pub last: FrameStamp,
    /// What came and what was lost.
    pub stats: IngestStats,
}

/// Why nothing was found.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The stream gave no picture within the time, or refused the login; how it stood at the end.
    #[error("no picture came: {}", without_retry(.state))]
    NoPicture {
        /// How it stood.
        state: CameraState,
    },
    /// The stream cannot be watched at all.
    #[error("the stream cannot be watched")]
    Start(#[source] Failure),
}

/// How a stream stands, without the next attempt, which a probe does not make.
fn without_retry(state: &CameraState) -> String {
    state.reason().map_or_else(|| state.to_string(), |reason| format!("{}: {reason}", state.as_str()))
}

#[derive(Default)]
struct Watching {
    state: Option<CameraState>,
    stream: Option<StreamInfo>,
    stamps: Vec<FrameStamp>,
    last: Option<Frame>,
}

/// Frames and states as they come.
#[derive(Default)]
struct Notes {
    watching: Mutex<Watching>,
    changed: Condvar,
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, Watching> {
        self.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Notes {
    fn frame(&self, frame: Frame) {
        let mut watching = self.lock();
        watching.stamps.push(*frame.stamp());
        watching.last = Some(frame);
        self.changed.notify_all();
    }
    fn state(&self, state: CameraState) {
        let mut watching = self.lock();
        if let CameraState::Online(stream) = &state {
            watching.stream = Some(stream.clone());
        }
        watching.state = Some(state);
        self.changed.notify_all();
    }
}

/// Watches a stream: for the first picture at most `limit`, and from there on for `length`. The last picture is returned too; it is as the camera
/// made it.
pub fn probe(
    rtsp: RtspConfig,
    limit: Duration,
    length: Duration,
    clocks: &Arc<dyn Clocks>,
) -> Result<(Probed, Frame), ProbeError> {
    gstreamer::init().map_err(|error| ProbeError::Start(Failure::Internal(error.to_string())))?;
    let notes = Arc::new(Notes::default());
    let source = CameraSource {
        id: Name::try_new("probe").expect("a literal name"),
        rtsp,
        decoders: Decoders::of_this_box(),
        masks: PrivacyMasks::default(),
        fps: f64::from(u16::MAX),
    };
    let began = clocks.mono();
    let (sink, limiter) = (Arc::clone(&notes) as Arc<dyn Sink>, ConnectLimiter::new(1));
    let ingest = Ingest::start(source, IngestSettings::default(), sink, Arc::clone(clocks), limiter)
        .map_err(ProbeError::Start)?;
    ingest.control().set_pace(Pace { decoding: Decoding::KeyFrames, fps: f64::from(u16::MAX) });
    let is_refused = |watching: &Watching| matches!(watching.state, Some(CameraState::Unauthorised { .. }));
    wait(&notes, clocks.as_ref(), Mono(began.0 + limit), |watching| {
        !watching.stamps.is_empty() || is_refused(watching)
    });
    let until = Mono(clocks.mono().0 + length);
    if !notes.lock().stamps.is_empty() {
        wait(&notes, clocks.as_ref(), until, |_| false);
    }
    let counted = ingest.stats();
    // What was seen is seen, however the stream comes down.
    let _ = ingest.stop(STOP_LIMIT);
    let mut watching = notes.lock();
    let state = watching.state.clone().unwrap_or(CameraState::Connecting);
    let (Some(frame), Some(stream)) = (watching.last.take(), watching.stream.take()) else {
        return Err(ProbeError::NoPicture { state });
    };
    let first = watching.stamps[0].mono;
    let probed = Probed {
        stream,
        fps: counted.fps_in,
        first_picture: first.since(began),
        group: middle_interval(&watching.stamps),
        last: *frame.stamp(),
        stats: counted,
    };
    Ok((probed, frame))
}

/// Waits until something is so, or a time has come.
fn wait(notes: &Notes, clocks: &dyn Clocks, until: Mono, is_so: impl Fn(&Watching) -> bool) {
    let mut watching = notes.lock();
    loop {
        let left = until.since(clocks.mono());
        if left.is_zero() || is_so(&watching) {
            return;
        }
        watching = notes.changed.wait_timeout(watching, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// The middle one of the times between two pictures of one connection.
fn middle_interval(stamps: &[FrameStamp]) -> Option<Duration> {
    let mut between: Vec<Duration> = stamps.windows(2).filter_map(|pair| pair[1].elapsed_since(&pair[0])).collect();
    between.sort_unstable();
    between.get(between.len() / 2).copied()
}

impl Probed {
    /// What to do with the stream, in sentences.
    #[must_use]
    pub fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        match self.group {
            Some(group) if group <= MAX_GROUP => {
                advice.push(
                    "`analysis.idle: keyframes` (the default) fits: only key frames are decoded while nothing goes on".to_owned(),
                );
            }
            Some(_) | None => advice.push(
                "key frames come too rarely to idle by them, and everything will be decoded: set the camera's interval between key frames (GOP) to 2 s"
                    .to_owned(),
            ),
        }
        if self.stream.width > LARGE_WIDTH {
            advice.push(
                "use the camera's sub-stream as `streams.detect` and this one as `streams.evidence`: it costs an eighth to decode"
                    .to_owned(),
            );
        }
        match self.last.clock_offset.map(|offset| offset.as_secs_f64()) {
            None => advice.push("the camera does not tell its time: events have that of their arrival here".to_owned()),
            Some(offset) if offset.abs() > CLOCK_LIMIT_SECS => {
                advice.push(format!("the camera's clock is {offset:.1} s off: have it and this box keep time by NTP"));
            }
            Some(_) => {}
        }
        if self.stats.units_lost > 0 || self.stats.frames_corrupt > 0 {
            advice.push("pictures are lost on the way: use `transport: tcp`, or look at the network".to_owned());
        }
        advice
    }
}
