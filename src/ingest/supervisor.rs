//! One stream's thread: connect, supervise, tear down, wait, again, until told to stop.
//!
//! A connection is judged by the age of the last picture, whatever the network says. It is never patched: what has failed is
//! destroyed and built anew.

use super::address::Address;
use super::backoff::Backoff;
use super::errand::{Errands, Late};
use super::failure::Failure;
use super::limiter::{ConnectLimiter, Permit};
use super::pipeline::{Picture, Pipeline, Tail, Target};
use super::stats::{Counters, DecodingInUse};
use super::stop::StopFlag;
use super::{CameraState, IngestSettings, StreamInfo};
use crate::clock::{Clocks, Mono};
use crate::config::RtspConfig;
use crate::ids::Name;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long one look for a picture takes at most; also how late a stall or a request to stop is noticed.
const PULL_LIMIT: Duration = Duration::from_millis(100);

/// What is done with the pictures of a stream. Called from the stream's own thread.
pub(super) trait Consumer: Send + 'static {
    /// How the stream's pipeline ends.
    fn tail(&self) -> Tail;
    /// Width and height of a picture.
    fn size_px(&mut self, picture: &Picture) -> Result<(u32, u32), Failure>;
    /// Takes a whole picture, which came at `now`.
    fn take(&mut self, picture: Picture, now: Mono) -> Result<(), Failure>;
    /// What is decoded of the stream at present; several times a second.
    fn decoding(&mut self, in_use: DecodingInUse);
    /// The connection is over, by this failure unless the stream was told to stop.
    fn interrupt(&mut self, failure: Option<&Failure>);
}

/// The stream that is watched.
pub(super) struct Subject {
    /// The camera.
    pub(super) camera: Name,
    /// Which of its streams, as in the configuration.
    pub(super) stream: &'static str,
    pub(super) rtsp: RtspConfig,
}

/// What a stream needs from the rest of the agent.
pub(super) struct Surroundings {
    /// Takes each change of state, and each failed attempt.
    pub(super) report: Box<dyn Fn(CameraState) + Send>,
    pub(super) clocks: Arc<dyn Clocks>,
    pub(super) limiter: Arc<ConnectLimiter>,
    pub(super) stop: Arc<StopFlag>,
    pub(super) counters: Arc<Mutex<Counters>>,
}

/// The state of one stream's thread.
pub(super) struct Supervisor<C> {
    subject: Subject,
    settings: IngestSettings,
    around: Surroundings,
    consumer: C,
    backoff: Backoff,
    errands: Errands,
    reported: Option<CameraState>,
}

impl<C: Consumer> Supervisor<C> {
    pub(super) fn new(subject: Subject, settings: IngestSettings, around: Surroundings, consumer: C) -> Self {
        let seed = subject.camera.as_str().bytes().chain(subject.stream.bytes()).fold(settings.seed, |seed, byte| {
            (seed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3) // FNV-1a: each stream its own waits.
        });
        Self {
            backoff: Backoff::new(settings.backoff, seed),
            errands: Errands::default(),
            reported: None,
            subject,
            settings,
            around,
            consumer,
        }
    }

    /// Runs until told to stop.
    pub(super) fn run(mut self) {
        while !self.around.stop.is_set() {
            if self.reported.is_none() {
                self.report(CameraState::Connecting);
            }
            let session = catch_unwind(AssertUnwindSafe(|| self.session()));
            let failure = match session {
                Ok(Ok(())) => return self.consumer.interrupt(None),
                Ok(Err(failure)) => failure,
                Err(_) => Failure::Internal("the stream's thread panicked".to_owned()),
            };
            self.consumer.interrupt(Some(&failure));
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
        let address = Address::try_from_url(&self.subject.rtsp.url)?;
        let password = match &self.subject.rtsp.password {
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
        let rtsp = &self.subject.rtsp;
        let (url, transport, username) = (rtsp.url.as_str(), rtsp.transport, rtsp.username.as_deref());
        let tail = self.consumer.tail();
        let target = Target { url, transport, username, password, tail, answer_limit, state_limit };
        let mut pipeline = Pipeline::start(target, &self.errands)?;
        self.watch(&mut pipeline, permit)
    }

    /// Takes pictures until the connection fails or the camera is told to stop.
    fn watch(&mut self, pipeline: &mut Pipeline, permit: Permit) -> Result<(), Failure> {
        let started = self.around.clocks.mono();
        let mut connecting = Some(permit);
        let mut first_picture = None;
        let mut last_picture = None;
        let mut units_at_last_picture = 0;
        while !self.around.stop.is_set() {
            let picture = pipeline.pull(PULL_LIMIT)?;
            let now = self.around.clocks.mono();
            let units = pipeline.units();
            let in_use = pipeline.decoding_in_use();
            self.count(|counters| {
                counters.set_units(units);
                counters.totals.decoding = in_use;
                counters.tick(now);
            });
            self.consumer.decoding(in_use);
            if let Some(picture) = picture {
                if first_picture.is_none() {
                    first_picture = Some(now);
                    self.count(|counters| counters.totals.connections += 1);
                }
                last_picture = Some(now);
                units_at_last_picture = units.let_through();
                self.take(picture, pipeline, now)?;
            }
            if pipeline.is_playing() || last_picture.is_some() || now.since(started) > self.settings.answer_limit * 2 {
                connecting = None;
            }
            if let Err(failure) = self.check_age(started, last_picture, now) {
                let swallows = pipeline.uses_hardware() && units.let_through() > units_at_last_picture;
                return Err(if swallows { Failure::Decoder(failure.to_string()) } else { failure });
            }
            if first_picture.is_some_and(|first| now.since(first) >= self.settings.stable_after) {
                self.backoff.reset();
            }
        }
        drop(connecting);
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

    /// Hands a picture to the consumer, unless it is damaged.
    fn take(&mut self, picture: Picture, pipeline: &Pipeline, now: Mono) -> Result<(), Failure> {
        self.count(|counters| counters.totals.frames_decoded += 1);
        if picture.corrupt {
            pipeline.wait_for_key();
            self.count(|counters| counters.totals.frames_corrupt += 1);
            return Ok(());
        }
        let size_px = self.consumer.size_px(&picture)?;
        self.report_online(size_px, pipeline);
        self.consumer.take(picture, now)
    }

    fn report_online(&mut self, (width, height): (u32, u32), pipeline: &Pipeline) {
        let Some((codec, decoder)) = pipeline.stream() else { return };
        if let Some(CameraState::Online(known)) = &self.reported
            && (known.codec, known.width, known.height) == (*codec, width, height)
            && known.decoder == *decoder
        {
            return;
        }
        let (profile, decoder) = (pipeline.profile(), decoder.clone());
        let stream = StreamInfo { codec: *codec, profile, width, height, decoder };
        self.report(CameraState::Online(stream));
    }

    /// Logs a change of state once, and passes every report on.
    fn report(&mut self, state: CameraState) {
        let (camera, stream) = (self.subject.camera.as_str(), self.subject.stream);
        let repeated = self.reported.as_ref().is_some_and(|before| before.same_kind(&state));
        match &state {
            _ if repeated => tracing::debug!(camera, stream, state = state.as_str(), "{state}"),
            CameraState::Connecting | CameraState::Online(_) | CameraState::Disabled => {
                tracing::info!(camera, stream, state = state.as_str(), "{state}");
            }
            CameraState::Stalled { .. } | CameraState::Offline { .. } | CameraState::Unauthorised { .. } => {
                tracing::error!(camera, stream, state = state.as_str(), "{state}");
            }
        }
        self.reported = Some(state.clone());
        (self.around.report)(state);
    }

    fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.around.counters.lock().expect("no holder of this lock panics"));
    }
}
