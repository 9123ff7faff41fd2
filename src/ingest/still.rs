//! One picture of a few access units, by a decoder that lives no longer.

use super::{Codec, stream};
use gstreamer as gst;
use gstreamer::prelude::*;
use std::time::Duration;

/// Decodes units, of which the first is a key frame, to their last picture: I420 or NV12. `Err` says why there is none. The bin goes
/// from `caps` to `video/x-raw`. Waits for at most `limit` for the picture; a decoder that does not come down blocks for longer, so that
/// this is called on a thread that may be left behind.
pub(super) fn decode(
    codec: Codec,
    decoder: &gst::Bin,
    caps: &gst::Caps,
    units: impl IntoIterator<Item = gst::Buffer>,
    limit: Duration,
) -> Result<gst::Sample, String> {
    let elements = gst::Pipeline::new();
    let outcome = play(&elements, codec, decoder, caps, units, limit);
    if elements.set_state(gst::State::Null).is_err() {
        tracing::warn!("a decoder does not come down");
    }
    outcome
}

fn play(
    elements: &gst::Pipeline,
    codec: Codec,
    decoder: &gst::Bin,
    caps: &gst::Caps,
    units: impl IntoIterator<Item = gst::Buffer>,
    limit: Duration,
) -> Result<gst::Sample, String> {
    let said = |error: gst::glib::BoolError| error.message.to_string();
    let source = gstreamer_app::AppSrc::builder().caps(caps).format(gst::Format::Time).build();
    // Says of the stream what some decoders ask for: size, profile, level.
    let parse = gst::ElementFactory::make(stream::parser(codec)).build().map_err(said)?;
    let convert = gst::ElementFactory::make("videoconvert").build().map_err(said)?;
    let frames = stream::frame_sink();
    let chain = [source.upcast_ref(), &parse, decoder.upcast_ref(), &convert, frames.upcast_ref()];
    elements.add_many(chain).map_err(said)?;
    gst::Element::link_many(chain).map_err(said)?;
    elements.set_state(gst::State::Playing).map_err(|_| why(elements, "the decoder does not start"))?;
    for unit in units {
        source.push_buffer(unit).map_err(|_| why(elements, "the decoder takes no data"))?;
    }
    source.end_of_stream().map_err(|_| why(elements, "the decoder takes no data"))?;
    let limit = gst::ClockTime::try_from(limit).unwrap_or(gst::ClockTime::ZERO);
    let mut last = None;
    while let Some(sample) = frames.try_pull_sample(limit) {
        last = Some(sample);
    }
    let sample = last.ok_or_else(|| why(elements, "the decoder gives no picture"))?;
    let is_damaged = sample.buffer().is_some_and(|buffer| buffer.flags().contains(gst::BufferFlags::CORRUPTED));
    if is_damaged { Err("the picture is damaged".to_owned()) } else { Ok(sample) }
}

/// What an element says of a failure, or `otherwise`.
fn why(elements: &gst::Pipeline, otherwise: &str) -> String {
    let error = elements.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    match error.as_deref().map(gst::MessageRef::view) {
        Some(gst::MessageView::Error(error)) => format!("{otherwise}: {}", error.error().message()),
        _ => otherwise.to_owned(),
    }
}
