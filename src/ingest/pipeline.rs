//! One connection to one camera as a GStreamer pipeline:
//! `rtspsrc ! depay ! parse ! (gate) ! decoder ! videoconvert ! appsink`, or without decoder and conversion.
//!
//! Everything after `rtspsrc` is built when the camera has said what it sends. The gate, a probe ahead of the decoder, drops
//! units whose references are not whole. `videoconvert` passes I420 and NV12 through untouched and converts only what the
//! agent does not read (10 bit, 4:2:2). The appsink is bounded; no call here blocks without a limit.

use super::Codec;
use super::decoder::Decoders;
use super::errand::{Errands, Late};
use super::failure::{Failure, detail};
use super::gate::HoldLimits;
use super::pace::PaceSwitch;
use super::stats::DecodingInUse;
use super::stream::{self, Taps, UnitCounts};
use crate::config::RtspTransport;
use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

/// How a pipeline ends.
pub(super) enum Tail {
    /// With a decoder: pictures, as many as the pace asks for.
    Decoded(DecodedTail),
    /// With the access units themselves, from a key frame on, each whole and with all of its references.
    Compressed,
}

/// How and how much of a stream is decoded.
pub(super) struct DecodedTail {
    pub(super) decoders: Arc<Decoders>,
    /// The processor decodes, whatever else could.
    pub(super) in_software: bool,
    pub(super) pace: Arc<PaceSwitch>,
    pub(super) hold: HoldLimits,
}

/// What to connect to.
pub(super) struct Target<'a> {
    pub(super) url: &'a str,
    pub(super) transport: RtspTransport,
    pub(super) username: Option<&'a str>,
    pub(super) password: Option<SecretString>,
    pub(super) tail: Tail,
    /// How long an RTSP exchange may take.
    pub(super) answer_limit: Duration,
    /// How long any state change may take.
    pub(super) state_limit: Duration,
}

/// A picture as it came out of the pipeline.
pub(super) struct Picture {
    pub(super) buffer: gst::Buffer,
    pub(super) caps: gst::Caps,
    /// On the timeline of this connection.
    pub(super) pts: Duration,
    /// How long ago it arrived at this box.
    pub(super) lag: Duration,
    /// The camera's time since 1900, once it has sent a report.
    pub(super) ntp: Option<Duration>,
    /// Decoded from damaged data.
    pub(super) corrupt: bool,
    /// Of units that were held and decoded late.
    pub(super) replayed: bool,
}

/// A running pipeline; dropping it takes it down within the state limit, or leaves it behind.
pub(super) struct Pipeline {
    elements: gst::Pipeline,
    bus: gst::Bus,
    frames: AppSink,
    taps: Arc<Taps>,
    is_playing: bool,
    errands: Errands,
    state_limit: Duration,
}

impl Pipeline {
    /// Builds the pipeline and sets it playing. The camera answers later: see [`pull`](Self::pull).
    pub(super) fn start(target: Target<'_>, errands: &Errands) -> Result<Self, Failure> {
        let internal = |error: glib::BoolError| Failure::Internal(detail(&error.message));
        let pipeline = gst::Pipeline::new();
        let bus = pipeline.bus().ok_or_else(|| Failure::Internal("a pipeline without a bus".to_owned()))?;
        let source = stream::source(&target).map_err(internal)?;
        let frames = match target.tail {
            Tail::Decoded(_) => stream::frame_sink(),
            Tail::Compressed => stream::unit_sink(),
        };
        let taps = Arc::new(Taps::new(target.tail));
        stream::limit_redirects(&source, &taps);
        stream::select_video(&source, &taps);
        stream::build_when_described(&source, &pipeline, &frames, &taps);
        pipeline.add_many([&source, frames.upcast_ref()]).map_err(internal)?;

        let mut started = Self {
            elements: pipeline.clone(),
            bus,
            frames,
            taps,
            is_playing: false,
            errands: errands.clone(),
            state_limit: target.state_limit,
        };
        match errands.run("ingest-start", target.state_limit, move || pipeline.set_state(gst::State::Playing))? {
            Ok(Ok(_)) => Ok(started),
            Ok(Err(_)) => {
                Err(started.failure().unwrap_or_else(|| Failure::Internal("the pipeline does not start".to_owned())))
            }
            Err(Late) => Err(Failure::Internal("the pipeline does not start in time".to_owned())),
        }
    }

    /// The next picture, if one comes within `limit`; why there will be none, if the connection has failed.
    pub(super) fn pull(&mut self, limit: Duration) -> Result<Option<Picture>, Failure> {
        let sample = self.frames.try_pull_sample(gst::ClockTime::try_from(limit).unwrap_or(gst::ClockTime::ZERO));
        if let Some(failure) = self.failure() {
            return Err(failure);
        }
        sample.map(|sample| self.picture(&sample)).transpose()
    }

    /// Whether the camera has answered PLAY.
    pub(super) fn is_playing(&self) -> bool {
        self.is_playing
    }

    /// The stream's codec and its decoder's name, if it is decoded; none before the camera has described its stream.
    pub(super) fn stream(&self) -> Option<&(Codec, Option<String>)> {
        self.taps.stream()
    }

    /// Profile and level of the video; none before its parameter sets came.
    pub(super) fn profile(&self) -> Option<String> {
        self.taps.profile()
    }

    /// Units of this connection so far.
    pub(super) fn units(&self) -> UnitCounts {
        self.taps.counts()
    }

    /// What is decoded at present.
    pub(super) fn decoding_in_use(&self) -> DecodingInUse {
        self.taps.decoding_in_use()
    }

    /// Whether the stream is decoded by something else than the processor.
    pub(super) fn uses_hardware(&self) -> bool {
        self.taps.uses_hardware()
    }

    /// Drops units until the next key frame: what was decoded is damaged.
    pub(super) fn wait_for_key(&self) {
        self.taps.close_gate();
    }

    /// Empties the bus and says why the connection has failed, if it has.
    fn failure(&mut self) -> Option<Failure> {
        let mut ended = None;
        while let Some(message) = self.bus.pop() {
            #[expect(clippy::wildcard_enum_match_arm, reason = "MessageView is not ours and not exhaustive")]
            match message.view() {
                gst::MessageView::Error(error) if self.taps.is_of_hardware(error.src()) => {
                    return Some(Failure::Decoder(detail(error.error().message())));
                }
                gst::MessageView::Error(error) => return Some(self.taps.explain(Failure::from_bus(error))),
                gst::MessageView::Eos(_) => ended = Some(Failure::Ended),
                gst::MessageView::Progress(progress) => {
                    let (kind, code, _) = progress.get();
                    // The way in which rtspsrc tells that PLAY was answered.
                    self.is_playing |= kind == gst::ProgressType::Complete && code == "request";
                }
                _ => {}
            }
        }
        self.taps.failure().or(ended)
    }

    fn picture(&self, sample: &gst::Sample) -> Result<Picture, Failure> {
        let buffer = sample.buffer_owned().ok_or_else(|| Failure::Stream("a picture without data".to_owned()))?;
        let caps = sample.caps_owned().ok_or_else(|| Failure::Stream("a picture without format".to_owned()))?;
        let now = self.elements.current_running_time().unwrap_or_default();
        let segment = sample.segment().and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
        let late = reference_time(&buffer, stream::LATE);
        let pts = late.or_else(|| segment.and_then(|segment| segment.to_running_time(buffer.pts()))).unwrap_or(now);
        // The camera's time since 1900 at this picture, from its RTCP sender reports.
        let ntp = reference_time(&buffer, "timestamp/x-ntp").map(Duration::from);
        let (lag, pts) = (Duration::from(now.saturating_sub(pts)), Duration::from(pts));
        let corrupt = buffer.flags().contains(gst::BufferFlags::CORRUPTED) || self.taps.is_damaged(pts);
        Ok(Picture { buffer, caps, pts, lag, ntp, corrupt, replayed: late.is_some() })
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let elements = self.elements.clone();
        let down = self.errands.run("ingest-stop", self.state_limit, move || elements.set_state(gst::State::Null));
        match down {
            Ok(Ok(_)) => {}
            Ok(Err(Late)) => {
                tracing::warn!(limit = ?self.state_limit, "a pipeline does not come down and is left behind");
            }
            Err(failure) => tracing::error!(%failure, "a pipeline cannot be taken down"),
        }
    }
}

/// The time of this kind that a picture carries beside its own.
fn reference_time(buffer: &gst::BufferRef, kind: &str) -> Option<gst::ClockTime> {
    let mut metas = buffer.iter_meta::<gst::ReferenceTimestampMeta>();
    let found = metas.find(|meta| meta.reference().structure(0).is_some_and(|structure| structure.name() == kind));
    found.map(|meta| meta.timestamp())
}
