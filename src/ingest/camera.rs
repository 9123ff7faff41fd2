//! One camera's thread: connect, supervise, tear down, wait, again, until told to stop.
//!
//! A connection is judged by the age of the last decoded picture, whatever the network says. It is never patched: what has failed is
//! destroyed and built anew.

use super::address::Address;
use super::backoff::Backoff;
use super::errand::{Errands, Late};
use super::failure::{Failure, detail};
use super::fps_cap::FpsCap;
use super::limiter::{ConnectLimiter, Permit};
use super::pace::PaceSwitch;
use super::pipeline::{Decoded, Pipeline, Target};
use super::stats::{Counters, DecodingInUse};
use super::stop::StopFlag;
use super::timeline::Timeline;
use super::wall::wall_time;
use super::{CameraSource, CameraState, IngestSettings, Sink, StreamInfo};
use crate::clock::{Clocks, Mono};
use crate::frame::{Frame, FrameStamp};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long one look for a picture takes at most; also how late a stall or a request to stop is noticed.
const PULL_LIMIT: Duration = Duration::from_millis(100);

/// A picture older than this when it is decoded has an unbelievable arrival time. Units that were held are decoded late.
const MAX_LAG: Duration = Duration::from_secs(30);

/// Pictures passed on per second of those that are decoded late, at most: they come in a burst, and to see what came and where it
/// stopped takes no more.
const REPLAY_FPS: f64 = 2.0;

/// What one camera needs from the rest of the agent.
pub(super) struct Surroundings {
    pub(super) sink: Arc<dyn Sink>,
    pub(super) clocks: Arc<dyn Clocks>,
    pub(super) limiter: Arc<ConnectLimiter>,
    pub(super) stop: Arc<StopFlag>,
    pub(super) pace: Arc<PaceSwitch>,
    pub(super) counters: Arc<Mutex<Counters>>,
}

/// The state of one camera's thread.
pub(super) struct Camera {
    source: CameraSource,
    settings: IngestSettings,
    around: Surroundings,
    timeline: Timeline,
    cap: FpsCap,
    backoff: Backoff,
    errands: Errands,
    reported: Option<CameraState>,
    lacks_key_frames: bool,
}

impl Camera {
    pub(super) fn new(source: CameraSource, settings: IngestSettings, around: Surroundings) -> Self {
        let seed = source.id.as_str().bytes().fold(settings.seed, |seed, byte| {
            (seed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3) // FNV-1a: each camera its own waits.
        });
        Self {
            timeline: Timeline::new(settings.max_gap),
            cap: FpsCap::new(source.fps),
            backoff: Backoff::new(settings.backoff, seed),
            errands: Errands::default(),
            reported: None,
            lacks_key_frames: false,
            source,
            settings,
            around,
        }
    }

    /// Runs until told to stop.
    pub(super) fn run(mut self) {
        while !self.around.stop.is_set() {
            if self.reported.is_none() {
                self.report(CameraState::Connecting);
            }
            let session = catch_unwind(AssertUnwindSafe(|| self.session()));
            self.timeline.interrupt();
            let failure = match session {
                Ok(Ok(())) => return,
                Ok(Err(failure)) => failure,
                Err(_) => Failure::Internal("the camera's thread panicked".to_owned()),
            };
            let retry_in = self.backoff.next(failure == Failure::Unauthorised);
            let late = self.errands.late();
            self.count(|counters| {
                counters.totals.failures += 1;
                counters.totals.calls_left_behind = late;
                counters.end_connection();
            });
            self.report(CameraState::after(failure, self.backoff.failures(), retry_in));
            self.around.stop.wait(retry_in);
        }
    }

    /// One connection from its beginning to its end. Returns without failure only if told to stop.
    fn session(&mut self) -> Result<(), Failure> {
        self.errands.check()?;
        let address = Address::try_from_url(&self.source.rtsp.url)?;
        let password = match &self.source.rtsp.password {
            Some(secret) => Some(secret.read().map_err(|error| Failure::Secret(error.to_string()))?),
            None => None,
        };
        let Some(permit) = self.around.limiter.acquire(&address.host, &self.around.stop) else { return Ok(()) };
        let (answer_limit, state_limit) = (self.settings.answer_limit, self.settings.state_limit);
        // A host may have several addresses, and its name may take as long to resolve.
        let reached = self.errands.run("ingest-probe", answer_limit * 2, move || address.probe(answer_limit))?;
        match reached {
            Ok(reached) => reached?,
            Err(Late) => return Err(Failure::Timeout),
        }
        let rtsp = &self.source.rtsp;
        let (url, transport, username) = (rtsp.url.as_str(), rtsp.transport, rtsp.username.as_deref());
        let (pace, hold) = (Arc::clone(&self.around.pace), self.settings.hold_limits());
        let target = Target { url, transport, username, password, pace, hold, answer_limit, state_limit };
        let mut pipeline = Pipeline::start(&target, &self.errands)?;
        self.watch(&mut pipeline, permit)
    }

    /// Takes pictures until the connection fails or the camera is told to stop.
    fn watch(&mut self, pipeline: &mut Pipeline, permit: Permit) -> Result<(), Failure> {
        let started = self.around.clocks.mono();
        let mut connecting = Some(permit);
        let mut first_picture = None;
        let mut last_picture = None;
        while !self.around.stop.is_set() {
            let decoded = pipeline.pull(PULL_LIMIT)?;
            let now = self.around.clocks.mono();
            let units = pipeline.units();
            let in_use = pipeline.decoding_in_use();
            self.count(|counters| {
                counters.set_units(units);
                counters.totals.decoding = in_use;
                counters.tick(now);
            });
            self.say_lack_of_key_frames(in_use);
            if let Some(decoded) = decoded {
                if connecting.take().is_some() {
                    first_picture = Some(now);
                    self.count(|counters| counters.totals.connections += 1);
                }
                last_picture = Some(now);
                self.take(decoded, pipeline, now)?;
            }
            self.check_age(started, last_picture, now)?;
            if first_picture.is_some_and(|first| now.since(first) >= self.settings.stable_after) {
                self.backoff.reset();
            }
        }
        Ok(())
    }

    /// Whether the last picture is too old.
    fn check_age(&self, started: Mono, last_picture: Option<Mono>, now: Mono) -> Result<(), Failure> {
        match last_picture {
            None if now.since(started) > self.settings.first_picture_limit => {
                Err(Failure::NoPicture(self.settings.first_picture_limit))
            }
            Some(last) if now.since(last) > self.settings.stall_limit => Err(Failure::Stalled(now.since(last))),
            None | Some(_) => Ok(()),
        }
    }

    /// Stamps a picture and passes it on, unless it is damaged or beyond the analysed rate.
    fn take(&mut self, decoded: Decoded, pipeline: &Pipeline, now: Mono) -> Result<(), Failure> {
        self.count(|counters| counters.totals.frames_decoded += 1);
        if decoded.corrupt {
            pipeline.wait_for_key();
            self.count(|counters| counters.totals.frames_corrupt += 1);
            return Ok(());
        }
        self.report_online(&decoded, pipeline);
        if decoded.replayed {
            self.timeline.go_back(decoded.pts);
        }
        let Some(placed) = self.timeline.place(decoded.pts, now) else { return Ok(()) };
        let jumps = self.timeline.jumps();
        let fps = self.around.pace.fps();
        self.cap.set_fps(if decoded.replayed { fps.min(REPLAY_FPS) } else { fps });
        let admitted = self.cap.admit(placed);
        let arrival = self.around.clocks.wall() - decoded.lag.min(MAX_LAG);
        let time = wall_time(arrival, decoded.ntp);
        let stamp = FrameStamp {
            media: placed.media,
            mono: now,
            wall: time.wall,
            clock_quality: time.quality,
            clock_offset: time.offset,
            segment: placed.segment,
        };
        self.count(|counters| {
            let totals = &mut counters.totals;
            totals.timeline_jumps = jumps;
            if admitted {
                totals.frames_delivered += 1;
                totals.last_frame = Some(stamp);
            } else {
                totals.frames_over_cap += 1;
            }
        });
        if admitted {
            let frame = Frame::try_from_gst(decoded.buffer, &decoded.info, stamp)
                .map_err(|error| Failure::Stream(detail(&error.to_string())))?;
            if decoded.replayed {
                self.around.sink.replayed_frame(frame);
            } else {
                self.around.sink.frame(frame);
            }
        }
        Ok(())
    }

    /// Logs once that everything is decoded though key frames would do.
    fn say_lack_of_key_frames(&mut self, in_use: DecodingInUse) {
        let lacks = in_use == DecodingInUse::AllForLackOfKeyFrames;
        if lacks && !self.lacks_key_frames {
            let limit = self.settings.hold_limit;
            tracing::warn!(camera = %self.source.id, ?limit, "key frames come too rarely: everything is decoded, at full cost");
        }
        self.lacks_key_frames = lacks;
    }

    fn report_online(&mut self, decoded: &Decoded, pipeline: &Pipeline) {
        let Some((codec, platform)) = pipeline.stream() else { return };
        let (width, height) = (decoded.info.width(), decoded.info.height());
        if let Some(CameraState::Online(known)) = &self.reported
            && (known.codec, known.width, known.height) == (*codec, width, height)
            && known.decoder == *platform
        {
            return;
        }
        let stream = StreamInfo { codec: *codec, width, height, decoder: platform.clone() };
        self.report(CameraState::Online(stream));
    }

    /// Logs a change of state once, and passes every report on.
    fn report(&mut self, state: CameraState) {
        let camera = self.source.id.as_str();
        let repeated = self.reported.as_ref().is_some_and(|before| before.same_kind(&state));
        match &state {
            _ if repeated => tracing::debug!(camera, state = state.as_str(), "{state}"),
            CameraState::Connecting | CameraState::Online(_) | CameraState::Disabled => {
                tracing::info!(camera, state = state.as_str(), "{state}");
            }
            CameraState::Stalled { .. } | CameraState::Offline { .. } | CameraState::Unauthorised { .. } => {
                tracing::error!(camera, state = state.as_str(), "{state}");
            }
        }
        self.reported = Some(state.clone());
        self.around.sink.state(state);
    }

    fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.around.counters.lock().expect("no holder of this lock panics"));
    }
}
