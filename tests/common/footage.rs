//! Frames of the installed footage, decoded by GStreamer in the format asked for.

use curbwatch::frame::{Frame, FrameStamp};
use gstreamer::prelude::*;
use std::time::Duration;

/// A stamp `secs` into a recording that began at the epoch.
pub fn stamp(secs: f64) -> FrameStamp {
    let time = Duration::from_secs_f64(secs);
    FrameStamp::of_recording(time, jiff::Timestamp::UNIX_EPOCH, 0)
}

/// Decodes a file and hands the frames of the given numbers on, in order.
pub fn samples(path: &std::path::Path, format: &str, numbers: &[usize]) -> Vec<gstreamer::Sample> {
    gstreamer::init().expect("GStreamer is installed");
    let description = format!(
        "filesrc name=file ! decodebin ! videoconvert ! video/x-raw,format={format} ! appsink name=sink sync=false"
    );
    let pipeline = gstreamer::parse::launch(&description).unwrap().downcast::<gstreamer::Pipeline>().unwrap();
    pipeline.by_name("file").unwrap().set_property("location", path.to_str().unwrap());
    let sink = pipeline.by_name("sink").unwrap().downcast::<gstreamer_app::AppSink>().unwrap();
    pipeline.set_state(gstreamer::State::Playing).unwrap();
    let last = numbers.iter().max().copied().unwrap_or(0);
    let limit = gstreamer::ClockTime::from_seconds(20);
    let found = (0..=last)
        .map(|number| (number, sink.try_pull_sample(limit).expect("the file has this frame")))
        .filter(|(number, _)| numbers.contains(number))
        .map(|(_, sample)| sample)
        .collect();
    pipeline.set_state(gstreamer::State::Null).unwrap();
    found
}

/// A sample as the agent sees it.
pub fn frame(sample: &gstreamer::Sample, secs: f64) -> Frame {
    let info = gstreamer_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
    Frame::try_from_gst(sample.buffer_owned().unwrap(), &info, stamp(secs)).unwrap()
}
