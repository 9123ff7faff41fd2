//! A file's access units (ISO/IEC 14496-10, 3.1), demultiplexed once and kept in memory.

use gstreamer::prelude::*;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Largest file that is taken: 512 MiB, half an hour at 2.3 Mbit/s.
pub const MAX_FILE_BYTES: u64 = 512 << 20;

/// Longest wait for the next unit of a file.
const PULL_LIMIT: gstreamer::ClockTime = gstreamer::ClockTime::from_seconds(10);

/// How the units are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    H264,
    H265,
}

/// One access unit: a coded picture.
#[derive(Debug)]
pub(super) struct Unit {
    /// Its bytes and flags; its times are set when it is sent.
    pub buffer: gstreamer::Buffer,
    /// When it is shown, since the file's first picture.
    pub shown: Duration,
    /// When it is decoded, on the same timeline; no later than `shown`.
    pub decoded: Duration,
    /// Whether decoding can begin here.
    pub key: bool,
}

/// All units of a file in decoding order: at least one, beginning with a key unit.
#[derive(Debug)]
pub(super) struct Units {
    units: Vec<Unit>,
    caps: gstreamer::Caps,
    coding: Coding,
    period: Duration,
}

/// Why a file cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum UnitsError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Larger than is kept in memory.
    #[error("{path} holds {size_bytes} bytes; at most {MAX_FILE_BYTES} are kept in memory")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size_bytes: u64,
    },
    /// Not a video that can be played.
    #[error("{path} holds no H.264 or H.265 video that can be played: {reason}")]
    Video {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Units {
    /// Demultiplexes the file.
    pub(super) fn load(path: &Path) -> Result<Self, UnitsError> {
        let unreadable = |source| UnitsError::Read { path: path.to_owned(), source };
        let size_bytes = std::fs::metadata(path).map_err(unreadable)?.len();
        if size_bytes > MAX_FILE_BYTES {
            return Err(UnitsError::TooLarge { path: path.to_owned(), size_bytes });
        }
        let unplayable = |reason: String| UnitsError::Video { path: path.to_owned(), reason };
        let (caps, buffers) = demultiplex(path).map_err(unplayable)?;
        let coding = match caps.structure(0).map(|structure| structure.name().as_str()) {
            Some("video/x-h264") => Coding::H264,
            Some("video/x-h265") => Coding::H265,
            other => return Err(unplayable(format!("it is coded as {other:?}"))),
        };
        Self::try_new(buffers, caps, coding).map_err(|reason| unplayable(reason.to_owned()))
    }

    /// Puts the buffers on a timeline that begins with their first picture.
    fn try_new(buffers: Vec<gstreamer::Buffer>, caps: gstreamer::Caps, coding: Coding) -> Result<Self, &'static str> {
        let is_key = |buffer: &gstreamer::Buffer| !buffer.flags().contains(gstreamer::BufferFlags::DELTA_UNIT);
        let first = buffers.iter().position(is_key).ok_or("it has no key frame")?;
        let buffers = &buffers[first..];
        let shown: Option<Vec<_>> = buffers.iter().map(|buffer| buffer.pts()).collect();
        let shown = shown.ok_or("a frame has no time")?;
        let begin = *shown.iter().min().ok_or("it has no frame")?;
        let last = *shown.iter().max().ok_or("it has no frame")?;
        let span = Duration::from((last - begin).max(gstreamer::ClockTime::ZERO));
        // The last picture is shown as long as the others on average.
        let others = u32::try_from(buffers.len() - 1).map_err(|_| "it has too many frames")?;
        let spacing = span.checked_div(others).unwrap_or(Duration::from_millis(40));
        let units = buffers
            .iter()
            .zip(&shown)
            .map(|(buffer, &shown)| {
                let decoded = buffer.dts().unwrap_or(shown).min(shown).max(begin);
                Unit {
                    buffer: buffer.clone(),
                    shown: (shown - begin).into(),
                    decoded: (decoded - begin).into(),
                    key: is_key(buffer),
                }
            })
            .collect();
        Ok(Self { units, caps, coding, period: span + spacing })
    }

    pub(super) fn all(&self) -> &[Unit] {
        &self.units
    }

    pub(super) fn caps(&self) -> &gstreamer::Caps {
        &self.caps
    }

    pub(super) fn coding(&self) -> Coding {
        self.coding
    }

    /// From the first picture of one round to that of the next.
    pub(super) fn period(&self) -> Duration {
        self.period
    }
}

/// All coded video of a file with its format, or what is wrong with it.
fn demultiplex(path: &Path) -> Result<(gstreamer::Caps, Vec<gstreamer::Buffer>), String> {
    let description = "filesrc name=file ! parsebin ! appsink name=units sync=false max-buffers=16 \
         caps=\"video/x-h264,alignment=au;video/x-h265,alignment=au\"";
    let pipeline = gstreamer::parse::launch(description)
        .map_err(|error| error.to_string())?
        .downcast::<gstreamer::Pipeline>()
        .expect("a description of several elements makes a pipeline");
    pipeline.by_name("file").expect("named above").set_property("location", path);
    let sink =
        pipeline.by_name("units").and_then(|sink| sink.downcast::<gstreamer_app::AppSink>().ok()).expect("named above");
    let collected = collect(&pipeline, &sink);
    // To NULL never fails: it only releases what is held.
    let _ = pipeline.set_state(gstreamer::State::Null);
    collected
}

fn collect(
    pipeline: &gstreamer::Pipeline,
    sink: &gstreamer_app::AppSink,
) -> Result<(gstreamer::Caps, Vec<gstreamer::Buffer>), String> {
    let bus = pipeline.bus().expect("every pipeline has a bus");
    let failure = |otherwise: &str| {
        let message = bus.pop_filtered(&[gstreamer::MessageType::Error]);
        match message.as_ref().map(|message| message.view()) {
            Some(gstreamer::MessageView::Error(error)) => error.error().to_string(),
            _ => otherwise.to_owned(),
        }
    };
    pipeline.set_state(gstreamer::State::Playing).map_err(|error| failure(&error.to_string()))?;
    let mut caps = None;
    let mut buffers = Vec::new();
    loop {
        match sink.try_pull_sample(PULL_LIMIT.min(gstreamer::ClockTime::from_mseconds(200))) {
            Some(sample) => {
                caps = caps.or_else(|| sample.caps_owned());
                buffers.extend(sample.buffer_owned());
            }
            None if sink.is_eos() => break,
            None => return Err(failure("the file stopped delivering")),
        }
    }
    Ok((caps.ok_or_else(|| failure("it has no frame"))?, buffers))
}
