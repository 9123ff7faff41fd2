//! Pictures from files, as a camera would give them.

use crate::detect::manifest::Manifest;
use crate::frame::{ColorMatrix, ColorRange, Frame, FrameLayout, FrameStamp, PixelFormat};
use anyhow::{Context, bail};
use gstreamer::prelude::*;
use std::path::Path;

/// How long decoding one picture may take.
const DECODE_LIMIT: gstreamer::ClockTime = gstreamer::ClockTime::from_seconds(20);

/// Reads the first picture of a file that GStreamer can decode: JPEG, PNG, or a video.
pub(super) fn read(path: &Path) -> anyhow::Result<Frame> {
    gstreamer::init()?;
    let description =
        "filesrc name=file ! decodebin ! videoconvert ! video/x-raw,format=I420 ! appsink name=sink sync=false";
    let element = gstreamer::parse::launch(description).context("failed to make a decoder")?;
    let pipeline = element.downcast::<gstreamer::Pipeline>().map_err(|_| anyhow::anyhow!("no pipeline was made"))?;
    let by_name = |name: &str| pipeline.by_name(name).with_context(|| format!("the decoder has no {name}"));
    by_name("file")?.set_property("location", path.to_str().context("the path is not UTF-8")?);
    let sink = by_name("sink")?
        .downcast::<gstreamer_app::AppSink>()
        .map_err(|_| anyhow::anyhow!("the decoder's sink is of another kind"))?;
    pipeline.set_state(gstreamer::State::Playing).with_context(|| format!("failed to open {}", path.display()))?;
    let sample = sink.try_pull_sample(DECODE_LIMIT);
    pipeline.set_state(gstreamer::State::Null)?;
    let Some(sample) = sample else { bail!("{} holds no picture that GStreamer can decode", path.display()) };
    let info = gstreamer_video::VideoInfo::from_caps(sample.caps().context("a picture without a format")?)?;
    Ok(Frame::try_from_gst(sample.buffer_owned().context("a picture without content")?, &info, stamp())?)
}

/// A grey picture of the size of a model's input.
pub(super) fn grey(manifest: &Manifest) -> anyhow::Result<Frame> {
    let (width, height) = (manifest.input.width.max(2), manifest.input.height.max(2));
    let strides = [width, width.div_ceil(2), width.div_ceil(2)].map(|side| side as usize);
    let rows = [height, height.div_ceil(2), height.div_ceil(2)].map(|side| side as usize);
    let planes = std::array::from_fn(|plane| vec![128; strides[plane] * rows[plane]]);
    let (matrix, range) = (ColorMatrix::Bt601, ColorRange::Limited);
    let layout = FrameLayout { width, height, format: PixelFormat::I420, matrix, range, strides };
    Ok(Frame::try_from_planes(layout, stamp(), planes)?)
}

/// Nobody looks at the times of a picture from a file.
fn stamp() -> FrameStamp {
    FrameStamp::of_recording(std::time::Duration::ZERO, jiff::Timestamp::UNIX_EPOCH, 0)
}
