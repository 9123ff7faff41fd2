//! The stream that is analysed: decoded pictures, stamped with their three times, at the analysed rate.

use super::clock_watch::{ClockAlarm, ClockWatch};
use super::failure::{Failure, detail};
use super::fps_cap::FpsCap;
use super::pace::PaceSwitch;
use super::pipeline::{DecodedTail, Picture, Tail};
use super::stats::{Counters, DecodingInUse};
use super::supervisor::Consumer;
use super::timeline::Timeline;
use super::wall::wall_time;
use super::{CameraSource, IngestSettings, Sink};
use crate::clock::{Clocks, Mono};
use crate::frame::{Frame, FrameStamp};
use gstreamer as gst;
use gstreamer_video::VideoInfo;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A picture older than this when it is decoded has an unbelievable arrival time. Units that were held are decoded late.
pub(super) const MAX_LAG: Duration = Duration::from_secs(30);

/// Pictures passed on per second of those that are decoded late, at most: they come in a burst, and to see what came and where it
/// stopped takes no more.
const REPLAY_FPS: f64 = 2.0;

/// What is done with an analysed stream.
pub(super) struct Analysed {
    source: CameraSource,
    settings: IngestSettings,
    sink: Arc<dyn Sink>,
    clocks: Arc<dyn Clocks>,
    pace: Arc<PaceSwitch>,
    counters: Arc<Mutex<Counters>>,
    timeline: Timeline,
    cap: FpsCap,
    format: Option<(gst::Caps, VideoInfo)>,
    lacks_key_frames: bool,
    clock_watch: ClockWatch,
    clock_alarm: Option<ClockAlarm>,
    in_software: bool,
}

impl Analysed {
    pub(super) fn new(
        source: CameraSource,
        settings: IngestSettings,
        sink: Arc<dyn Sink>,
        clocks: Arc<dyn Clocks>,
        pace: Arc<PaceSwitch>,
        counters: Arc<Mutex<Counters>>,
    ) -> Self {
        Self {
            timeline: Timeline::new(settings.max_gap),
            cap: FpsCap::new(source.fps),
            format: None,
            lacks_key_frames: false,
            clock_watch: ClockWatch::default(),
            clock_alarm: None,
            in_software: false,
            source,
            settings,
            sink,
            clocks,
            pace,
            counters,
        }
    }

    /// The picture's format; parsed anew only when it changes.
    fn format(&mut self, caps: &gst::Caps) -> Result<&VideoInfo, Failure> {
        if self.format.as_ref().is_none_or(|(known, _)| known != caps) {
            let info = VideoInfo::from_caps(caps).map_err(|error| Failure::Stream(detail(&error.message)))?;
            self.format = Some((caps.clone(), info));
        }
        Ok(&self.format.as_ref().expect("just set").1)
    }

    /// When a picture was taken; none if it was placed before.
    fn stamp(&mut self, picture: &Picture, now: Mono) -> Option<(FrameStamp, bool)> {
        if picture.replayed {
            self.timeline.go_back(picture.pts);
        }
        let placed = self.timeline.place(picture.pts, now)?;
        let fps = self.pace.fps();
        self.cap.set_fps(if picture.replayed { fps.min(REPLAY_FPS) } else { fps });
        let admitted = self.cap.admit(placed);
        let arrival = self.clocks.wall() - picture.lag.min(MAX_LAG);
        let time = wall_time(arrival, picture.ntp);
        let stamp = FrameStamp {
            media: placed.media,
            mono: now,
            wall: time.wall,
            clock_quality: time.quality,
            clock_offset: time.offset,
            segment: placed.segment,
        };
        Some((stamp, admitted))
    }
}

impl Analysed {
    /// Logs once that the camera's clock is not to be relied on, and once that it is again.
    fn watch_clock(&mut self, stamp: &FrameStamp) {
        let before = self.clock_alarm;
        self.clock_alarm = self.clock_watch.observe(stamp.mono, stamp.clock_offset);
        let camera = self.source.id.as_str();
        match (before, self.clock_alarm) {
            (Some(before), Some(now)) if before.same_kind(&now) => {}
            (_, Some(now)) => tracing::warn!(camera, "{now}"),
            (Some(_), None) => tracing::info!(camera, "the camera's clock keeps time with the box's again"),
            (None, None) => {}
        }
    }
}

impl Consumer for Analysed {
    fn tail(&self) -> Tail {
        Tail::Decoded(DecodedTail {
            decoders: Arc::clone(&self.source.decoders),
            in_software: self.in_software,
            pace: Arc::clone(&self.pace),
            hold: self.settings.hold_limits(),
        })
    }

    fn size_px(&mut self, picture: &Picture) -> Result<(u32, u32), Failure> {
        let format = self.format(&picture.caps)?;
        Ok((format.width(), format.height()))
    }

    /// Stamps a picture and passes it on, unless it is beyond the analysed rate.
    fn take(&mut self, picture: Picture, now: Mono) -> Result<(), Failure> {
        let Some((stamp, admitted)) = self.stamp(&picture, now) else { return Ok(()) };
        if !picture.replayed {
            self.watch_clock(&stamp);
        }
        let (jumps, clock_alarm) = (self.timeline.jumps(), self.clock_alarm);
        {
            let mut counters = self.counters.lock().expect("no holder of this lock panics");
            let totals = &mut counters.totals;
            totals.timeline_jumps = jumps;
            totals.clock_alarm = clock_alarm;
            if admitted {
                totals.frames_delivered += 1;
                totals.last_frame = Some(stamp);
            } else {
                totals.frames_over_cap += 1;
            }
        }
        if admitted {
            let format = self.format(&picture.caps)?;
            let frame = Frame::try_from_gst(picture.buffer, format, stamp)
                .and_then(|frame| self.source.masks.apply(frame))
                .map_err(|error| Failure::Stream(detail(&error.to_string())))?;
            if picture.replayed {
                self.sink.replayed_frame(frame);
            } else {
                self.sink.frame(frame);
            }
        }
        Ok(())
    }

    /// Logs once that everything is decoded though key frames would do.
    fn decoding(&mut self, in_use: DecodingInUse) {
        let lacks = in_use == DecodingInUse::AllForLackOfKeyFrames;
        if lacks && !self.lacks_key_frames {
            let limit = self.settings.hold_limit;
            tracing::warn!(camera = %self.source.id, ?limit, "key frames come too rarely: everything is decoded, at full cost");
        }
        self.lacks_key_frames = lacks;
    }

    /// A decoder that failed once is not trusted with this camera again while the agent runs.
    fn interrupt(&mut self, failure: Option<&Failure>) {
        if matches!(failure, Some(Failure::Decoder(_))) && !self.in_software {
            tracing::warn!(camera = %self.source.id, "the stream is decoded by the processor from now on");
            self.in_software = true;
        }
        self.timeline.interrupt();
    }
}
