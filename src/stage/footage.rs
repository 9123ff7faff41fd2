//! Reading the real footage: its static background and its walkers.
//!
//! In: `vtest.avi` (768×576, 10 fps, a static camera). Out: [`Footage`], about 100 MB for its 80 seconds. The clip is
//! decoded twice, because all of it decoded at once would take half a gigabyte.

use super::canvas::{Picture, STREET_HEIGHT, STREET_WIDTH};
use super::pedestrians::{self, Walker};
use gstreamer::prelude::*;
use gstreamer_video::VideoFrameExt;
use std::path::{Path, PathBuf};

/// Frames per second of the footage.
pub const FOOTAGE_FPS: u32 = 10;

/// Frames over which the background's median is taken: of 795, every 16th. With 50, whoever stands for 40 s is no background yet.
const MEDIAN_FRAMES: usize = 50;
const MEDIAN_EVERY: usize = 16;

/// Longest clip that is taken: 5 minutes.
const MAX_FRAMES: usize = 3000;

/// Longest wait for one decoded frame.
const PULL_LIMIT: gstreamer::ClockTime = gstreamer::ClockTime::from_seconds(10);

/// The street without anybody, and everybody who walks through it.
pub struct Footage {
    background: Picture,
    frames: Vec<Vec<Walker>>,
}

/// Why footage cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FootageError {
    /// No such file.
    #[error("{0} is not there")]
    Absent(PathBuf),
    /// GStreamer cannot be started, or lacks an element.
    #[error("the decoder of {path} cannot be built: {source}")]
    Decoder {
        /// The file.
        path: PathBuf,
        /// What GStreamer says.
        source: gstreamer::glib::Error,
    },
    /// The decoder stopped with an error.
    #[error("{path} cannot be decoded: {reason}")]
    Decode {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        reason: String,
    },
    /// Not the clip that the street was measured on.
    #[error(
        "{path} holds {frames} frames of {width}x{height}; the street is composed from vtest.avi (795 frames of 768x576)"
    )]
    OtherClip {
        /// The file.
        path: PathBuf,
        /// Frames found.
        frames: usize,
        /// Width found.
        width: u32,
        /// Height found.
        height: u32,
    },
}

impl Footage {
    /// Decodes the clip and separates the walkers from the background.
    pub fn load(path: &Path) -> Result<Self, FootageError> {
        if !path.is_file() {
            return Err(FootageError::Absent(path.to_owned()));
        }
        let mut samples = Vec::with_capacity(MEDIAN_FRAMES);
        let mut count = 0;
        decode(path, |picture| {
            if count % MEDIAN_EVERY == 0 && samples.len() < MEDIAN_FRAMES {
                samples.push(picture);
            }
            count += 1;
        })?;
        if samples.is_empty() {
            return Err(FootageError::Decode { path: path.to_owned(), reason: "it holds no frame".to_owned() });
        }
        let background = median(&samples);
        drop(samples);
        let mut frames = Vec::with_capacity(count);
        decode(path, |picture| frames.push(pedestrians::find(&picture, &background)))?;
        Ok(Self { background, frames })
    }

    /// The street without anybody: the median of every sample over the clip.
    #[must_use]
    pub fn background(&self) -> &Picture {
        &self.background
    }

    /// Who is in the given frame; the clip begins anew after its last.
    #[must_use]
    pub fn walkers(&self, frame: u64) -> &[Walker] {
        match self.frames.len() {
            0 => &[],
            count => &self.frames[(frame % count as u64) as usize],
        }
    }
}

impl std::fmt::Debug for Footage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Footage").field("frames", &self.frames.len()).finish_non_exhaustive()
    }
}

/// Decodes the file and hands over every frame in order.
fn decode(path: &Path, mut each: impl FnMut(Picture)) -> Result<(), FootageError> {
    let failed = |source| FootageError::Decoder { path: path.to_owned(), source };
    gstreamer::init().map_err(failed)?;
    let pipeline = gstreamer::parse::launch(
        "filesrc name=file ! decodebin ! videoconvert ! video/x-raw,format=I420 ! \
         appsink name=frames sync=false max-buffers=4",
    )
    .map_err(failed)?
    .downcast::<gstreamer::Pipeline>()
    .expect("a description of several elements makes a pipeline");
    let stopped = StopOnDrop(pipeline);
    let pipeline = &stopped.0;
    pipeline.by_name("file").expect("named above").set_property("location", path);
    let frames = pipeline
        .by_name("frames")
        .and_then(|sink| sink.downcast::<gstreamer_app::AppSink>().ok())
        .expect("named above");
    let broken = |reason: String| FootageError::Decode { path: path.to_owned(), reason };
    pipeline.set_state(gstreamer::State::Playing).map_err(|error| broken(error.to_string()))?;
    let mut count = 0;
    while let Some(sample) = frames.try_pull_sample(PULL_LIMIT) {
        let picture = picture_of(&sample).map_err(|(width, height)| FootageError::OtherClip {
            path: path.to_owned(),
            frames: count,
            width,
            height,
        })?;
        count += 1;
        if count > MAX_FRAMES {
            return Err(broken(format!("it is longer than {MAX_FRAMES} frames")));
        }
        each(picture);
    }
    let error = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gstreamer::MessageType::Error]));
    if let Some(gstreamer::MessageView::Error(error)) = error.as_ref().map(|message| message.view()) {
        return Err(broken(error.error().to_string()));
    }
    if frames.is_eos() { Ok(()) } else { Err(broken("the decoder stopped delivering".to_owned())) }
}

/// Copies a decoded frame, or tells its size if that is not the street's.
fn picture_of(sample: &gstreamer::Sample) -> Result<Picture, (u32, u32)> {
    let info = sample.caps().and_then(|caps| gstreamer_video::VideoInfo::from_caps(caps).ok()).ok_or((0, 0))?;
    if (info.width(), info.height()) != (STREET_WIDTH, STREET_HEIGHT) {
        return Err((info.width(), info.height()));
    }
    let buffer = sample.buffer().ok_or((0, 0))?;
    let frame = gstreamer_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info).map_err(|_| (0, 0))?;
    let mut picture = Picture::grey(STREET_WIDTH as usize, STREET_HEIGHT as usize);
    for (index, plane) in picture.planes.iter_mut().enumerate() {
        let stride = frame.plane_stride()[index].unsigned_abs() as usize;
        let samples = frame.plane_data(index as u32).map_err(|_| (0, 0))?;
        for (target, source) in plane.samples.chunks_exact_mut(plane.width).zip(samples.chunks(stride)) {
            target.copy_from_slice(&source[..target.len()]);
        }
    }
    Ok(picture)
}

/// The median of every sample over the pictures.
fn median(pictures: &[Picture]) -> Picture {
    let mut result = pictures[0].clone();
    let mut values = vec![0; pictures.len()];
    for (index, plane) in result.planes.iter_mut().enumerate() {
        for (place, target) in plane.samples.iter_mut().enumerate() {
            for (value, picture) in values.iter_mut().zip(pictures) {
                *value = picture.planes[index].samples[place];
            }
            let middle = values.len() / 2;
            *target = *values.select_nth_unstable(middle).1;
        }
    }
    result
}

/// Gives a pipeline's threads and files back on every way out.
pub(super) struct StopOnDrop(pub gstreamer::Pipeline);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        // To NULL never fails: it only releases what is held.
        let _ = self.0.set_state(gstreamer::State::Null);
    }
}
