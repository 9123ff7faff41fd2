//! From frames to an MP4 file.

use super::footage::StopOnDrop;
use super::{Codec, Scene, StageError};
use gstreamer::prelude::*;
use std::path::{Path, PathBuf};

/// Bits per pixel where the scene states no bit rate: 2.3 Mbit/s at 1280x720, 25 fps, as street cameras are set.
const BITS_PER_PIXEL: f64 = 0.1;
/// Frames that wait for the encoder.
const WAITING_FRAMES: u64 = 3;
/// Longest wait for the last frames and the index of the file.
const FINISH_LIMIT: gstreamer::ClockTime = gstreamer::ClockTime::from_seconds(60);

/// A running encoder. Dropped before [`Self::finish`], it leaves no file.
pub(super) struct Encoder {
    pipeline: StopOnDrop,
    source: gstreamer_app::AppSrc,
    fps: u32,
    /// Where the file grows.
    partial: PathBuf,
    /// Where it is once complete.
    out: PathBuf,
}

impl Encoder {
    pub(super) fn start(scene: &Scene, out: &Path) -> Result<Self, StageError> {
        let refused = |error: gstreamer::glib::Error| StageError::Encoder(error.to_string());
        gstreamer::init().map_err(refused)?;
        let mut name = out.as_os_str().to_owned();
        name.push(".partial");
        let partial = PathBuf::from(name);
        let pipeline = gstreamer::parse::launch(&description(scene))
            .map_err(refused)?
            .downcast::<gstreamer::Pipeline>()
            .expect("a description of several elements makes a pipeline");
        let pipeline = StopOnDrop(pipeline);
        let named = |name| pipeline.0.by_name(name).expect("named in the description");
        named("file").set_property("location", &partial);
        let mux = named("mux").dynamic_cast::<gstreamer::TagSetter>().expect("mp4mux writes tags");
        mux.add_tag::<gstreamer::tags::Title>(&"STAGED street (Curbwatch)", gstreamer::TagMergeMode::Replace);
        let source = named("frames").downcast::<gstreamer_app::AppSrc>().expect("named in the description");
        let caps = gstreamer::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", scene.size.width() as i32)
            .field("height", scene.size.height() as i32)
            .field("framerate", gstreamer::Fraction::new(scene.fps as i32, 1))
            .field("pixel-aspect-ratio", gstreamer::Fraction::new(1, 1))
            .field("colorimetry", "bt601")
            .build();
        source.set_caps(Some(&caps));
        let encoder = Self { pipeline, source, fps: scene.fps, partial, out: out.to_owned() };
        if encoder.pipeline.0.set_state(gstreamer::State::Playing).is_err() {
            return Err(encoder.failure());
        }
        Ok(encoder)
    }

    /// Hands a frame over; waits while [`WAITING_FRAMES`] are waiting.
    pub(super) fn push(&mut self, index: u64, frame: Vec<u8>) -> Result<(), StageError> {
        let at = |index: u64| gstreamer::ClockTime::SECOND.mul_div_round(index, u64::from(self.fps));
        let mut buffer = gstreamer::Buffer::from_mut_slice(frame);
        {
            let buffer = buffer.get_mut().expect("nobody else holds it yet");
            buffer.set_pts(at(index));
            buffer.set_duration(at(index + 1).zip(at(index)).map(|(end, start)| end - start));
        }
        self.source.push_buffer(buffer).map(|_| ()).map_err(|_| self.failure())
    }

    /// Waits for the file to be complete.
    pub(super) fn finish(self) -> Result<(), StageError> {
        // A refused end of stream has its reason on the bus, which is read next.
        let _ = self.source.end_of_stream();
        let bus = self.pipeline.0.bus().expect("every pipeline has a bus");
        let wanted = [gstreamer::MessageType::Eos, gstreamer::MessageType::Error];
        match bus.timed_pop_filtered(FINISH_LIMIT, &wanted).as_ref().map(|message| message.view()) {
            Some(gstreamer::MessageView::Eos(_)) => {}
            Some(gstreamer::MessageView::Error(error)) => return Err(self.unwritten(&error.error().to_string())),
            _ => return Err(self.unwritten("the encoder did not finish")),
        }
        std::fs::rename(&self.partial, &self.out).map_err(|error| self.unwritten(&error.to_string()))
    }

    /// What the pipeline says of its failure.
    fn failure(&self) -> StageError {
        let bus = self.pipeline.0.bus().expect("every pipeline has a bus");
        let message = bus.timed_pop_filtered(gstreamer::ClockTime::SECOND, &[gstreamer::MessageType::Error]);
        match message.as_ref().map(|message| message.view()) {
            Some(gstreamer::MessageView::Error(error)) => self.unwritten(&error.error().to_string()),
            _ => self.unwritten("the encoder stopped"),
        }
    }

    fn unwritten(&self, reason: &str) -> StageError {
        StageError::Write { path: self.out.clone(), reason: reason.to_owned() }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // Absent after a finished render, and nothing more can be done about it otherwise.
        let _ = std::fs::remove_file(&self.partial);
    }
}

/// The pipeline. Fast presets, no B-frames and one thread: what cheap cameras do, and what one core keeps up with.
fn description(scene: &Scene) -> String {
    let pixels = f64::from(scene.size.width()) * f64::from(scene.size.height());
    let bits = scene.bitrate_bps.map_or(pixels * f64::from(scene.fps) * BITS_PER_PIXEL, f64::from);
    let kilobits = ((bits / 1000.0).round() as u32).clamp(100, 100_000);
    let gop = scene.gop;
    let encoder = match scene.codec {
        Codec::H264 => format!(
            "x264enc speed-preset=superfast bframes=0 rc-lookahead=0 sync-lookahead=0 threads=1 bitrate={kilobits} \
             key-int-max={gop} option-string=\"keyint={gop}:min-keyint={gop}:scenecut=0:trellis=0\" ! \
             video/x-h264,profile=main ! h264parse"
        ),
        Codec::H265 => format!(
            "x265enc speed-preset=ultrafast bitrate={kilobits} key-int-max={gop} log-level=none \
             option-string=\"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0:open-gop=0:rc-lookahead=0:pools=none:frame-threads=1\" ! \
             h265parse"
        ),
    };
    format!(
        "appsrc name=frames format=time block=true max-buffers={WAITING_FRAMES} max-bytes=0 ! {encoder} ! \
         mp4mux name=mux ! filesink name=file"
    )
}
