//! Frames made by formula, for tests.

use super::{JpegEncoder, JpegLimits, RedactError, RedactedJpeg, RedactedPicture, SensitiveObject};
use crate::frame::{ColorMatrix, ColorRange, Frame, FrameLayout, FrameStamp, PixelFormat};
use crate::geometry::BBox;

/// Limits that no test picture reaches.
pub(crate) const AMPLE: JpegLimits = JpegLimits { quality: 92, max_bytes: usize::MAX };

/// A frame of which each sample is `sample(plane, x, y)`, plane 0..3 for Y, Cb, Cr; rows are padded by `padding` bytes
/// of garbage.
pub(crate) fn frame(
    (width, height): (u32, u32),
    format: PixelFormat,
    (matrix, range): (ColorMatrix, ColorRange),
    padding: usize,
    sample: impl Fn(usize, usize, usize) -> u8,
) -> Frame {
    let (luma, chroma) = ((width as usize, height as usize), (width.div_ceil(2) as usize, height.div_ceil(2) as usize));
    let plane = |(width, height): (usize, usize), parts: &[usize]| -> Vec<u8> {
        let row = |y| {
            let samples = (0..width).flat_map(move |x| parts.iter().map(move |&part| (part, x, y)));
            samples.map(|(part, x, y)| sample(part, x, y)).chain(std::iter::repeat_n(0xAA, padding))
        };
        (0..height).flat_map(row).collect()
    };
    let (planes, strides) = match format {
        PixelFormat::I420 => {
            let strides = [luma.0, chroma.0, chroma.0].map(|width| width + padding);
            ([plane(luma, &[0]), plane(chroma, &[1]), plane(chroma, &[2])], strides)
        }
        PixelFormat::Nv12 => {
            let strides = [luma.0 + padding, 2 * chroma.0 + padding, 0];
            ([plane(luma, &[0]), plane(chroma, &[1, 2]), Vec::new()], strides)
        }
    };
    let stamp = FrameStamp::of_recording(std::time::Duration::ZERO, jiff::Timestamp::UNIX_EPOCH, 0);
    let layout = FrameLayout { width, height, format, matrix, range, strides };
    Frame::try_from_planes(layout, stamp, planes).unwrap()
}

/// A small grey picture.
pub(crate) fn redacted() -> RedactedJpeg {
    let colours = (ColorMatrix::Bt601, ColorRange::Limited);
    let grey = frame((64, 48), PixelFormat::I420, colours, 0, |_, _, _| 128);
    encode(&grey, &[], &[], AMPLE).unwrap()
}

/// A frame redacted, outlined and encoded.
pub(crate) fn encode(
    frame: &Frame,
    sensitive: &[SensitiveObject],
    outlines: &[BBox],
    limits: JpegLimits,
) -> Result<RedactedJpeg, RedactError> {
    RedactedPicture::from_frame(frame, sensitive).outlined(outlines).encode(&mut JpegEncoder::default(), limits)
}

/// White noise that repeats: a hash of the position and a seed.
pub(crate) fn noise(seed: u64, plane: usize, x: usize, y: usize) -> u8 {
    let mut v = seed ^ ((plane as u64) << 60) ^ ((x as u64) << 32) ^ y as u64;
    for _ in 0..2 {
        v = (v ^ (v >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    (v >> 56) as u8
}
