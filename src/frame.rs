//! A decoded picture as the decoder left it, and when it was taken.
//!
//! Planes stay in the decoder's own memory and format (I420 or NV12): nobody converts to RGB unless a pixel is needed as such.

mod plane;

pub(crate) use plane::Plane;

use crate::clock::{ClockQuality, MediaTime, Mono};
use std::time::Duration;

/// When a frame was taken, on each of the three timelines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameStamp {
    /// On the camera's own timeline; strictly increasing over the frames of one camera.
    pub media: MediaTime,
    /// When the decoder delivered it.
    pub mono: Mono,
    /// Wall-clock time of the exposure, as good as [`Self::clock_quality`] says.
    pub wall: jiff::Timestamp,
    /// Where [`Self::wall`] comes from.
    pub clock_quality: ClockQuality,
    /// Camera clock minus box clock, where the camera tells its time.
    pub clock_offset: Option<jiff::SignedDuration>,
    /// Counts interruptions of the stream. Between two frames of different segments nothing was observed: such an
    /// interval is neither presence nor absence.
    pub segment: u32,
}

impl FrameStamp {
    /// Time that passed between `earlier` and this frame, whether anyone looked or not; none across an interruption of the stream.
    #[must_use]
    pub fn elapsed_since(&self, earlier: &Self) -> Option<Duration> {
        (self.segment == earlier.segment).then(|| self.media.since(earlier.media))
    }

    /// A moment at which no frame was taken: something was decided without one.
    #[must_use]
    pub fn without_frame(mono: Mono, wall: jiff::Timestamp) -> Self {
        let clock_quality = ClockQuality::Arrival;
        Self { media: MediaTime::default(), mono, wall, clock_quality, clock_offset: None, segment: 0 }
    }

    /// So long after the beginning of a recording whose first picture was taken at `start`; its own time is the monotonic one too. A
    /// still picture is a recording of one.
    #[must_use]
    pub fn of_recording(media: Duration, start: jiff::Timestamp, segment: u32) -> Self {
        Self { media: MediaTime(media), segment, ..Self::without_frame(Mono(media), start + media) }
    }

    /// So many seconds after the beginning of a test, on every timeline.
    #[cfg(test)]
    pub(crate) fn at_secs(secs: f64, segment: u32) -> Self {
        let start = jiff::Timestamp::from_second(1_800_000_000).expect("a literal time");
        Self::of_recording(Duration::from_secs_f64(secs), start, segment)
    }

    /// Time observed between `earlier` and this frame: none across an interruption of the stream, and none if the frames lie
    /// farther apart than [`MAX_STEP`]: the analysis stood still, and nobody looked.
    #[must_use]
    pub fn observed_since(&self, earlier: &Self) -> Option<Duration> {
        self.elapsed_since(earlier).filter(|step| *step <= MAX_STEP)
    }
}

/// The longest step between two analysed frames that counts as observed: the slowest pace of analysis (0.1 frames per second)
/// and the rarest key frames that are waited for, with room.
pub const MAX_STEP: Duration = Duration::from_secs(12);

/// How the planes of a frame are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// Three planes Y, U, V; chroma halved in both directions.
    I420,
    /// Two planes Y and interleaved UV; chroma halved in both directions.
    Nv12,
}

/// Coefficients from YCbCr to RGB (ITU-T H.273, matrix coefficients 6 and 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorMatrix {
    /// BT.601.
    Bt601,
    /// BT.709.
    Bt709,
}

/// Whether luma spans 16..=235 or 0..=255 (ITU-T H.273, `video_full_range_flag`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorRange {
    /// Luma 16..=235, chroma 16..=240.
    Limited,
    /// Luma and chroma 0..=255.
    Full,
}

/// Everything needed to read the planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLayout {
    /// Width in pixels, at least 2.
    pub width: u32,
    /// Height in pixels, at least 2.
    pub height: u32,
    /// Plane layout.
    pub format: PixelFormat,
    /// Conversion coefficients.
    pub matrix: ColorMatrix,
    /// Value range.
    pub range: ColorRange,
    /// Bytes from one row to the next, per plane; the third is unused for NV12.
    pub strides: [usize; 3],
}

/// Where the bytes of the planes are.
enum Planes {
    /// The decoder's own buffer, mapped; given back when the frame is dropped.
    Mapped(Box<gstreamer_video::VideoFrame<gstreamer_video::video_frame::Readable>>),
    /// Bytes of our own: pictures loaded from files, and frames whose privacy masks were painted.
    Owned([Vec<u8>; 3]),
}

/// A decoded picture. Cheap to move; shared as `Arc<Frame>`.
pub struct Frame {
    layout: FrameLayout,
    stamp: FrameStamp,
    planes: Planes,
}

/// Why a decoded buffer cannot be used as a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A format that is neither I420 nor NV12.
    #[error("the decoder delivered {0}; only I420 and NV12 are read")]
    Format(String),
    /// The buffer cannot be mapped for reading.
    #[error("the decoder's buffer cannot be mapped")]
    Unmappable,
    /// A plane is shorter than its rows need.
    #[error("plane {plane} holds {found} bytes, its rows need {needed}")]
    ShortPlane {
        /// Index of the plane.
        plane: usize,
        /// Bytes found.
        found: usize,
        /// Bytes that height, width and stride need.
        needed: usize,
    },
    /// Smaller than one chroma sample, or larger than any camera.
    #[error("{width}x{height} is outside 2x2 to 16384x16384")]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
}

impl Frame {
    /// Takes a decoded buffer without copying it.
    pub fn try_from_gst(
        buffer: gstreamer::Buffer,
        info: &gstreamer_video::VideoInfo,
        stamp: FrameStamp,
    ) -> Result<Self, FrameError> {
        use gstreamer_video::{VideoColorMatrix, VideoColorRange, VideoFormat, VideoFrameExt};
        let format = if info.format() == VideoFormat::I420 {
            PixelFormat::I420
        } else if info.format() == VideoFormat::Nv12 {
            PixelFormat::Nv12
        } else {
            return Err(FrameError::Format(info.format().to_str().to_string()));
        };
        let is_709 = info.colorimetry().matrix() == VideoColorMatrix::Bt709;
        let matrix = if is_709 { ColorMatrix::Bt709 } else { ColorMatrix::Bt601 };
        let is_full = info.colorimetry().range() == VideoColorRange::Range0_255;
        let range = if is_full { ColorRange::Full } else { ColorRange::Limited };
        let mapped =
            gstreamer_video::VideoFrame::from_buffer_readable(buffer, info).map_err(|_| FrameError::Unmappable)?;
        let mut strides = [0; 3];
        for (stride, &found) in strides.iter_mut().zip(mapped.plane_stride()) {
            *stride = usize::try_from(found).map_err(|_| FrameError::Unmappable)?;
        }
        let layout = FrameLayout { width: mapped.width(), height: mapped.height(), format, matrix, range, strides };
        Self { layout, stamp, planes: Planes::Mapped(Box::new(mapped)) }.checked()
    }

    /// Takes planes held in memory: Y, U, V for I420; Y, UV and an empty third for NV12.
    pub fn try_from_planes(layout: FrameLayout, stamp: FrameStamp, planes: [Vec<u8>; 3]) -> Result<Self, FrameError> {
        Self { layout, stamp, planes: Planes::Owned(planes) }.checked()
    }

    /// Compares each plane's length with what its rows need, once, so that readers may index rows.
    fn checked(self) -> Result<Self, FrameError> {
        let FrameLayout { width, height, format, .. } = self.layout;
        if !(2..=16384).contains(&width) || !(2..=16384).contains(&height) {
            return Err(FrameError::Size { width, height });
        }
        let (chroma_width, chroma_height) = (width.div_ceil(2) as usize, height.div_ceil(2) as usize);
        let rows = match format {
            PixelFormat::I420 => {
                vec![(width as usize, height as usize), (chroma_width, chroma_height), (chroma_width, chroma_height)]
            }
            PixelFormat::Nv12 => vec![(width as usize, height as usize), (2 * chroma_width, chroma_height)],
        };
        for (plane, (row_bytes, row_count)) in rows.into_iter().enumerate() {
            let stride = self.layout.strides[plane];
            let (found, needed) = (self.plane(plane).len(), stride * (row_count - 1) + row_bytes);
            if stride < row_bytes || found < needed {
                return Err(FrameError::ShortPlane { plane, found, needed: needed.max(row_bytes * row_count) });
            }
        }
        Ok(self)
    }

    /// The same picture at another time.
    #[cfg(test)]
    pub(crate) fn stamped(self, stamp: FrameStamp) -> Self {
        Self { stamp, ..self }
    }

    /// Size, format and strides.
    #[must_use]
    pub fn layout(&self) -> &FrameLayout {
        &self.layout
    }

    /// When the frame was taken.
    #[must_use]
    pub fn stamp(&self) -> &FrameStamp {
        &self.stamp
    }

    /// Bytes of a plane; rows are `layout().strides[plane]` apart. Empty for a plane that the format does not have.
    #[must_use]
    pub fn plane(&self, plane: usize) -> &[u8] {
        use gstreamer_video::VideoFrameExt;
        match &self.planes {
            Planes::Mapped(frame) if plane < frame.n_planes() as usize => frame.plane_data(plane as u32).unwrap_or(&[]),
            Planes::Mapped(_) => &[],
            Planes::Owned(planes) => planes.get(plane).map_or(&[], Vec::as_slice),
        }
    }
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame").field("layout", &self.layout).field("stamp", &self.stamp).finish_non_exhaustive()
    }
}
