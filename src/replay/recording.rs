//! A video file as decoded pictures with their times in the file.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;
use gstreamer_video::VideoInfo;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest wait for one picture; a file that gives none for so long is broken.
const PULL_LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(20);
/// Decoded pictures that wait.
const WAITING_PICTURES: u32 = 4;

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file is not there or may not be read.
    #[error("failed to open the recording {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// GStreamer cannot be started, or lacks an element.
    #[error("failed to build a decoder: {0}")]
    Decoder(String),
    /// The file is not a video, or breaks off.
    #[error("failed to decode the recording {path}: {reason}")]
    Decode {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        reason: String,
    },
}

/// One decoded picture.
pub(crate) struct Picture {
    /// Since the beginning of the file.
    pub(crate) at: Duration,
    pub(crate) buffer: gst::Buffer,
    pub(crate) info: VideoInfo,
}

/// A video file that is being decoded, as fast as its pictures are taken.
pub(crate) struct Recording {
    path: PathBuf,
    pipeline: gst::Pipeline,
    pictures: AppSink,
    /// Time in the file of the first picture.
    first: Option<gst::ClockTime>,
}

impl Recording {
    /// Opens a file in any container and codec that is installed. One decoding thread per core; the pictures do not depend on it.
    pub(crate) fn open(path: &Path) -> Result<Self, RecordingError> {
        std::fs::File::open(path).map_err(|source| RecordingError::Open { path: path.to_path_buf(), source })?;
        let refused = |error: gst::glib::Error| RecordingError::Decoder(error.to_string());
        gst::init().map_err(refused)?;
        let description = format!(
            "filesrc name=file ! decodebin ! videoconvert ! video/x-raw,format=(string){{I420,NV12}} ! \
             appsink name=pictures sync=false max-buffers={WAITING_PICTURES}"
        );
        let pipeline = gst::parse::launch(&description)
            .map_err(refused)?
            .downcast::<gst::Pipeline>()
            .expect("a description of several elements makes a pipeline");
        let named = |name| pipeline.by_name(name).expect("named in the description");
        named("file").set_property("location", path);
        let pictures = named("pictures").downcast::<AppSink>().expect("named in the description");
        let recording = Self { path: path.to_path_buf(), pipeline: pipeline.clone(), pictures, first: None };
        pipeline.set_state(gst::State::Playing).map_err(|_| recording.failure())?;
        Ok(recording)
    }

    /// The next picture; none at the end of the file. A picture without a time is left out.
    pub(crate) fn next(&mut self) -> Result<Option<Picture>, RecordingError> {
        loop {
            let Some(sample) = self.pictures.try_pull_sample(PULL_LIMIT) else {
                return if self.pictures.is_eos() { Ok(None) } else { Err(self.failure()) };
            };
            let (Some(buffer), Some(caps)) = (sample.buffer_owned(), sample.caps()) else { continue };
            let Some(pts) = buffer.pts() else { continue };
            let info = VideoInfo::from_caps(caps).map_err(|error| self.decode_error(error.message.to_string()))?;
            let at = Duration::from(pts.saturating_sub(*self.first.get_or_insert(pts)));
            return Ok(Some(Picture { at, buffer, info }));
        }
    }

    fn failure(&self) -> RecordingError {
        let bus = self.pipeline.bus().expect("every pipeline has a bus");
        let message = bus.pop_filtered(&[gst::MessageType::Error]);
        let reason = message.as_ref().and_then(|message| {
            if let gst::MessageView::Error(error) = message.view() { Some(error.error().to_string()) } else { None }
        });
        self.decode_error(reason.unwrap_or_else(|| "no picture comes".to_owned()))
    }

    fn decode_error(&self, reason: String) -> RecordingError {
        RecordingError::Decode { path: self.path.clone(), reason }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // Nothing can be done about a decoder that does not stop; the process goes on.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
