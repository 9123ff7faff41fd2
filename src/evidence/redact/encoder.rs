//! Planes → baseline JPEG by GStreamer's `jpegenc`, which is libjpeg-turbo: straight from 4:2:0, in less than half of the CPU time of an encoder
//! without its vector code.
//!
//! One small pipeline (`appsrc ! jpegenc ! appsink`) is made for the first picture and kept. It holds one picture at a time. Every wait has
//! a limit; after a failure the pipeline is thrown away, and made anew for the next picture.

use super::planes::JfifPlanes;
use crate::frame::Plane;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};
use gstreamer_video::{VideoFormat, VideoFrameFlags, VideoMeta};

/// How long one picture may take: 16384 x 16384 pixels on a loaded box of two slow cores.
const ENCODE_LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(20);
/// Width of a row of blocks with halved chroma: libjpeg reads rows up to a multiple of it.
const BLOCKS_WIDE: usize = 16;

/// Why a picture was not encoded.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The elements are missing or do not start.
    #[error("the JPEG encoder does not start: {0}")]
    Start(String),
    /// It refused the picture.
    #[error("the JPEG encoder refuses a picture of {width}x{height}: {reason}")]
    Refused {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// What it said.
        reason: String,
    },
}

/// Encodes pictures, one after the other.
#[derive(Debug, Default)]
pub struct JpegEncoder {
    chain: Option<Chain>,
}

impl JpegEncoder {
    /// The picture as JPEG of a quality of 1..=100.
    pub(super) fn encode(&mut self, picture: &RawPicture, quality: u8) -> Result<Vec<u8>, EncodeError> {
        let chain = match self.chain.take() {
            Some(chain) => chain,
            None => Chain::start()?,
        };
        let bytes = chain.encode(picture, quality)?;
        // Only one that did what it should is used again.
        self.chain = Some(chain);
        Ok(bytes)
    }
}

/// A picture in the encoder's form.
pub(super) struct RawPicture {
    sample: gst::Sample,
    width: usize,
    height: usize,
}

impl RawPicture {
    /// Copies planes.
    pub(super) fn new(planes: &JfifPlanes) -> Result<Self, EncodeError> {
        let (width, height) = (planes.luma.width, planes.luma.height);
        let mut buffer = padded_i420(planes)?;
        buffer.make_mut().set_pts(gst::ClockTime::ZERO);
        // Colours are those of JFIF already; the encoder takes the planes as they are.
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", width as i32)
            .field("height", height as i32)
            .field("framerate", gst::Fraction::new(0, 1))
            .build();
        Ok(Self { sample: gst::Sample::builder().buffer(&buffer).caps(&caps).build(), width, height })
    }

    fn refused(&self, reason: String) -> EncodeError {
        EncodeError::Refused { width: self.width, height: self.height, reason }
    }
}

/// Copies planes into rows that end with whole blocks: what lies beyond the width repeats the last pixel.
pub(super) fn padded_i420(planes: &JfifPlanes) -> Result<gst::Buffer, EncodeError> {
    gst::init().map_err(|error| EncodeError::Start(error.to_string()))?;
    let (width, height) = (planes.luma.width, planes.luma.height);
    let stride = width.next_multiple_of(BLOCKS_WIDE);
    let strides = [stride, stride / 2, stride / 2];
    let all = [&planes.luma, &planes.cb, &planes.cr];
    let mut bytes = Vec::with_capacity(stride * height * 3 / 2 + stride);
    let mut offsets = [0; 3];
    for ((plane, stride), offset) in all.into_iter().zip(strides).zip(&mut offsets) {
        *offset = bytes.len();
        append_padded(&mut bytes, plane, stride);
    }
    let mut buffer = gst::Buffer::from_mut_slice(bytes);
    let (flags, format) = (VideoFrameFlags::empty(), VideoFormat::I420);
    let strides = strides.map(|stride| stride as i32);
    VideoMeta::add_full(buffer.make_mut(), flags, format, width as u32, height as u32, &offsets, &strides)
        .map_err(|error| EncodeError::Refused { width, height, reason: error.to_string() })?;
    Ok(buffer)
}

fn append_padded(bytes: &mut Vec<u8>, plane: &Plane, stride: usize) {
    for y in 0..plane.height {
        let row = plane.row(y);
        bytes.extend_from_slice(row);
        let last = row.last().copied().unwrap_or_default();
        bytes.resize(bytes.len() + stride - row.len(), last);
    }
}

/// The running elements.
#[derive(Debug)]
struct Chain {
    elements: gst::Pipeline,
    pictures: AppSrc,
    encoder: gst::Element,
    jpegs: AppSink,
}

impl Chain {
    fn start() -> Result<Self, EncodeError> {
        let said = |error: gst::glib::BoolError| EncodeError::Start(error.message.to_string());
        let pictures = AppSrc::builder().format(gst::Format::Time).max_buffers(1).build();
        let encoder = gst::ElementFactory::make("jpegenc").build().map_err(said)?;
        let jpegs = AppSink::builder().sync(false).async_(false).max_buffers(1).build();
        let chain = Self { elements: gst::Pipeline::new(), pictures, encoder, jpegs };
        let in_order = [chain.pictures.upcast_ref(), &chain.encoder, chain.jpegs.upcast_ref()];
        chain.elements.add_many(in_order).map_err(said)?;
        gst::Element::link_many(in_order).map_err(said)?;
        let started = chain.elements.set_state(gst::State::Playing);
        started.map_err(|_| EncodeError::Start(chain.why("its elements refuse")))?;
        Ok(chain)
    }

    fn encode(&self, picture: &RawPicture, quality: u8) -> Result<Vec<u8>, EncodeError> {
        self.encoder.set_property("quality", i32::from(quality));
        let refused = |otherwise: &str| picture.refused(self.why(otherwise));
        self.pictures.push_sample(&picture.sample).map_err(|_| refused("it takes no data"))?;
        let jpeg = self.jpegs.try_pull_sample(ENCODE_LIMIT).ok_or_else(|| refused("it gives nothing in time"))?;
        let mapped = jpeg.buffer().and_then(|buffer| buffer.map_readable().ok());
        mapped.map(|bytes| bytes.to_vec()).ok_or_else(|| refused("it gives no bytes"))
    }

    /// What an element says of a failure, or `otherwise`.
    fn why(&self, otherwise: &str) -> String {
        let error = self.elements.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        match error.as_deref().map(gst::MessageRef::view) {
            Some(gst::MessageView::Error(error)) => format!("{otherwise}: {}", error.error().message()),
            _ => otherwise.to_owned(),
        }
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // Elements in memory always come down; nothing could be done about one that does not.
        let _ = self.elements.set_state(gst::State::Null);
    }
}
