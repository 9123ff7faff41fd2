//! Redacted pictures in a row → one clip: VP8 in `WebM`, which every browser plays, with the real times between them.
//!
//! The pictures are encoded by GStreamer's `vp8enc ! webmmux` into a file in memory, so that nothing lies on a disk in the clear, and the container gets its
//! length and its index. The quantizer is fixed rather than left to a rate control, which has nothing to go by in a dozen pictures a second apart; a clip that
//! is too large is encoded again with a coarser one. Every wait has a limit.

use super::encoder::padded_i420;
use super::{Film, Redacted, RedactedClass, RedactedPicture, RedactionSummary};
use crate::contract::MediaType;
use crate::geometry::BBox;
use crate::sha256::sha256_hex;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSrc;
use rustix::fs::{MemfdFlags, memfd_create};
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// VP8's quantizers, 0 (best) to 63, that are tried in order until the clip is small enough.
const QUANTIZERS: [i32; 4] = [18, 30, 42, 54];
/// How long the encoding of one clip may take on a loaded box.
const ENCODE_LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(60);
/// How long the last picture is shown.
const LAST_SHOWN: Duration = Duration::from_secs(1);
/// Pictures from one that stands by itself to the next: seeking goes to these.
const KEY_FRAME_EVERY: i32 = 10;

/// Why there is no clip.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// Nothing was added.
    #[error("no picture of the clip could be redacted")]
    Empty,
    /// A picture has another size than the first.
    #[error("a picture of {width}x{height} does not fit into the clip")]
    OtherSize {
        /// Width in pixels.
        width: u16,
        /// Height in pixels.
        height: u16,
    },
    /// The file in memory cannot be made or read.
    #[error("there is no memory for the clip")]
    Memory(#[from] std::io::Error),
    /// The elements are missing, or refuse.
    #[error("the encoder of clips fails: {0}")]
    Encode(String),
}

/// Redacted pictures that are to become a clip. Nothing but the encoded clip can be had of them.
#[derive(Default)]
pub struct RedactedFrames {
    shots: Vec<Shot>,
    size: Option<Size>,
    classes: Vec<RedactedClass>,
    area_count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    width: u16,
    height: u16,
    strip_height: u16,
}

/// A picture in the encoder's form.
struct Shot {
    at: Duration,
    planes: gst::Buffer,
}

impl RedactedFrames {
    /// Adds a picture that was taken `at` some time after any moment common to all; later than the one added before.
    pub fn add(&mut self, picture: RedactedPicture, at: Duration) -> Result<(), ClipError> {
        let (mut planes, areas, strip_height) = picture.into_parts();
        let size = Size { width: planes.width(), height: planes.height(), strip_height };
        if *self.size.get_or_insert(size) != size {
            return Err(ClipError::OtherSize { width: size.width, height: size.height });
        }
        planes.compress_range();
        let planes = padded_i420(&planes).map_err(|error| ClipError::Encode(error.to_string()))?;
        self.shots.push(Shot { at, planes });
        self.classes.extend(areas.iter().map(|area| area.class));
        self.area_count += areas.len();
        Ok(())
    }

    /// Pictures that were added.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shots.len()
    }

    /// Whether none was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shots.is_empty()
    }

    /// Encodes them so that they take `wanted_bytes`, or as few as they can.
    pub fn encode(self, wanted_bytes: usize) -> Result<RedactedClip, ClipError> {
        let (Some(size), Some(first), Some(last)) = (self.size, self.shots.first(), self.shots.last()) else {
            return Err(ClipError::Empty);
        };
        let film = Film { duration: last.at.saturating_sub(first.at), frame_count: self.shots.len() as u32 };
        let mut bytes = Vec::new();
        for quantizer in QUANTIZERS {
            bytes = encode(&self.shots, size, quantizer)?;
            if bytes.len() <= wanted_bytes {
                break;
            }
        }
        let mut classes = self.classes;
        classes.sort_unstable();
        classes.dedup();
        let redaction = RedactionSummary { classes, area_count: self.area_count };
        Ok(RedactedClip { sha256: sha256_hex(&bytes), bytes: bytes.into(), size, film, redaction })
    }
}

/// A clip that may leave the box. Cheap to clone.
#[derive(Clone, PartialEq)]
pub struct RedactedClip {
    bytes: bytes::Bytes,
    sha256: String,
    size: Size,
    film: Film,
    redaction: RedactionSummary,
}

impl super::private::Sealed for RedactedClip {}

impl Redacted for RedactedClip {
    fn media_type(&self) -> MediaType {
        MediaType::WebM
    }
    fn bytes(&self) -> &bytes::Bytes {
        &self.bytes
    }
    fn sha256(&self) -> &str {
        &self.sha256
    }
    fn width(&self) -> u16 {
        self.size.width
    }
    fn height(&self) -> u16 {
        self.size.height
    }
    fn strip_height(&self) -> u16 {
        self.size.strip_height
    }
    fn shown(&self) -> BBox {
        BBox::FRAME
    }
    fn film(&self) -> Option<Film> {
        Some(self.film)
    }
    fn redaction(&self) -> &RedactionSummary {
        &self.redaction
    }
}

impl std::fmt::Debug for RedactedClip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedactedClip")
            .field("size_bytes", &self.bytes.len())
            .field("size", &self.size)
            .field("film", &self.film)
            .field("redaction", &self.redaction)
            .finish_non_exhaustive()
    }
}

/// The clip with one quantizer.
fn encode(shots: &[Shot], size: Size, quantizer: i32) -> Result<Vec<u8>, ClipError> {
    gst::init().map_err(|error| ClipError::Encode(error.to_string()))?;
    let mut memory = File::from(memfd_create("clip", MemfdFlags::CLOEXEC).map_err(std::io::Error::from)?);
    let chain = Chain::start(size, quantizer, &memory)?;
    for (index, shot) in shots.iter().enumerate() {
        let next = shots.get(index + 1).map_or(shot.at + LAST_SHOWN, |next| next.at);
        chain.push(shot, shots[0].at, next)?;
    }
    chain.finish()?;
    let mut bytes = Vec::new();
    memory.rewind()?;
    memory.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The running elements.
struct Chain {
    elements: gst::Pipeline,
    pictures: AppSrc,
}

impl Chain {
    fn start(Size { width, height, .. }: Size, quantizer: i32, into: &File) -> Result<Self, ClipError> {
        // Colours as VP8 has them (RFC 6386, section 9.2): BT.601, luma from 16 to 235.
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", i32::from(width))
            .field("height", i32::from(height))
            .field("framerate", gst::Fraction::new(0, 1))
            .field("colorimetry", "bt601")
            .build();
        let pictures = AppSrc::builder().caps(&caps).format(gst::Format::Time).build();
        let encoder = gst::ElementFactory::make("vp8enc")
            .property("min-quantizer", quantizer)
            .property("max-quantizer", quantizer)
            .property("keyframe-max-dist", KEY_FRAME_EVERY)
            .property("deadline", 1i64)
            .property("cpu-used", 4)
            .property("threads", 1);
        let muxer = gst::ElementFactory::make("webmmux");
        let sink = gst::ElementFactory::make("fdsink").property("fd", into.as_raw_fd()).property("sync", false);
        let said = |error: gst::glib::BoolError| ClipError::Encode(error.message.to_string());
        let (encoder, muxer) = (encoder.build().map_err(said)?, muxer.build().map_err(said)?);
        let sink = sink.build().map_err(said)?;
        let chain = Self { elements: gst::Pipeline::new(), pictures };
        let in_order = [chain.pictures.upcast_ref(), &encoder, &muxer, &sink];
        chain.elements.add_many(in_order).map_err(said)?;
        gst::Element::link_many(in_order).map_err(said)?;
        let started = chain.elements.set_state(gst::State::Playing);
        started.map_err(|_| chain.failure("its elements do not start"))?;
        Ok(chain)
    }

    /// Shows a picture until `next`, the first one at zero.
    fn push(&self, shot: &Shot, first: Duration, next: Duration) -> Result<(), ClipError> {
        let clock_time = |time: Duration| gst::ClockTime::try_from(time).ok();
        let mut buffer = shot.planes.clone();
        let described = buffer.make_mut();
        described.set_pts(clock_time(shot.at.saturating_sub(first)));
        described.set_duration(clock_time(next.saturating_sub(shot.at)));
        self.pictures.push_buffer(buffer).map(drop).map_err(|_| self.failure("it takes no data"))
    }

    fn finish(&self) -> Result<(), ClipError> {
        // A refused end of stream has its reason on the bus, which is read next.
        let _ = self.pictures.end_of_stream();
        let bus = self.elements.bus().expect("every pipeline has a bus");
        let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
        match bus.timed_pop_filtered(ENCODE_LIMIT, &wanted).as_deref().map(gst::MessageRef::view) {
            Some(gst::MessageView::Eos(_)) => Ok(()),
            Some(gst::MessageView::Error(error)) => Err(ClipError::Encode(error.error().to_string())),
            _ => Err(ClipError::Encode("it does not come to an end in time".to_owned())),
        }
    }

    /// What an element says of a failure, or `otherwise`.
    fn failure(&self, otherwise: &str) -> ClipError {
        let error = self.elements.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        ClipError::Encode(match error.as_deref().map(gst::MessageRef::view) {
            Some(gst::MessageView::Error(error)) => error.error().to_string(),
            _ => otherwise.to_owned(),
        })
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // Elements in memory always come down; nothing could be done about one that does not.
        let _ = self.elements.set_state(gst::State::Null);
    }
}
