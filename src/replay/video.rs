//! An annotated video of a replay: motion JPEG in Matroska, every picture of it redacted.

use crate::evidence::{JpegEncoder, JpegLimits, RedactError, RedactedPicture, SensitiveObject};
use crate::faces::{FaceFinder, Faces, FacesError};
use crate::frame::Frame;
use crate::geometry::BBox;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSrc;
use std::path::{Path, PathBuf};

/// Quality of the pictures; the file is for looking at, not for evidence.
const LIMITS: JpegLimits = JpegLimits { quality: 75, max_bytes: 8 << 20 };
/// Pictures that wait to be written.
const WAITING_PICTURES: u32 = 4;
/// Longest wait for the end of the file.
const FINISH_LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(20);

/// Why there is no annotated video.
#[derive(Debug, thiserror::Error)]
pub enum VideoError {
    /// A picture could not be redacted; none is written in its stead.
    #[error("failed to redact a picture of the annotated video")]
    Redact(#[from] RedactError),
    /// Faces cannot be looked for.
    #[error("failed to redact a picture of the annotated video")]
    Faces(#[from] FacesError),
    /// The file cannot be written.
    #[error("failed to write the annotated video {path}: {reason}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
}

/// A video that is being written. The pictures are those that were analysed, at their times.
pub struct AnnotatedVideo {
    path: PathBuf,
    pipeline: gst::Pipeline,
    source: AppSrc,
    faces: Faces,
    encoder: JpegEncoder,
}

impl AnnotatedVideo {
    /// Begins a file.
    pub fn begin(path: &Path) -> Result<Self, VideoError> {
        let failed = |reason: String| VideoError::Write { path: path.to_path_buf(), reason };
        gst::init().map_err(|error| failed(error.to_string()))?;
        let description = format!(
            "appsrc name=pictures format=time block=true max-buffers={WAITING_PICTURES} max-bytes=0 ! jpegparse ! matroskamux ! filesink name=file"
        );
        let pipeline = gst::parse::launch(&description)
            .map_err(|error| failed(error.to_string()))?
            .downcast::<gst::Pipeline>()
            .expect("a description of several elements makes a pipeline");
        let named = |name| pipeline.by_name(name).expect("named in the description");
        named("file").set_property("location", path);
        let source = named("pictures").downcast::<AppSrc>().expect("named in the description");
        source.set_caps(Some(&gst::Caps::builder("image/jpeg").build()));
        let (faces, encoder) = (Faces::default(), JpegEncoder::default());
        let video = Self { path: path.to_path_buf(), pipeline: pipeline.clone(), source, faces, encoder };
        pipeline.set_state(gst::State::Playing).map_err(|_| video.failure())?;
        Ok(video)
    }

    /// Adds a picture, with an outline around each of `places`.
    pub(super) fn add(
        &mut self,
        frame: &Frame,
        sensitive: &[SensitiveObject],
        places: &[BBox],
    ) -> Result<(), VideoError> {
        let mut hidden = self.faces.find(frame)?;
        hidden.extend_from_slice(sensitive);
        let picture = RedactedPicture::from_frame(frame, &hidden).outlined(places);
        let jpeg = picture.encode(&mut self.encoder, LIMITS)?;
        let mut buffer = gst::Buffer::from_slice(jpeg.bytes().clone());
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::try_from(frame.stamp().media.0).ok());
        }
        self.source.push_buffer(buffer).map(|_| ()).map_err(|_| self.failure())
    }

    /// Completes the file.
    pub(super) fn finish(self) -> Result<(), VideoError> {
        // A refused end of stream has its reason on the bus, which is read next.
        let _ = self.source.end_of_stream();
        let bus = self.pipeline.bus().expect("every pipeline has a bus");
        let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
        match bus.timed_pop_filtered(FINISH_LIMIT, &wanted).as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Eos(_)) => Ok(()),
            Some(gst::MessageView::Error(error)) => Err(self.unwritten(error.error().to_string())),
            _ => Err(self.unwritten("the file is not completed in time".to_owned())),
        }
    }

    fn failure(&self) -> VideoError {
        let bus = self.pipeline.bus().expect("every pipeline has a bus");
        let message = bus.timed_pop_filtered(gst::ClockTime::SECOND, &[gst::MessageType::Error]);
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => self.unwritten(error.error().to_string()),
            _ => self.unwritten("the writer stopped".to_owned()),
        }
    }

    fn unwritten(&self, reason: String) -> VideoError {
        VideoError::Write { path: self.path.clone(), reason }
    }
}

impl Drop for AnnotatedVideo {
    fn drop(&mut self) {
        // Nothing more can be done about a file that cannot be closed.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
