//! Planes → baseline JPEG within a limit of bytes, straight from 4:2:0.

use super::planes::{JfifPlanes, Plane};
use super::{JpegLimits, RedactError};
use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};

/// Quality is not lowered further: below it, blocks hide what the picture is to show.
const LOWEST_QUALITY: u8 = 30;
/// By how much quality is lowered per attempt: about a fifth fewer bytes.
const QUALITY_STEP: u8 = 12;

/// Encodes at the wanted quality, or at the best lower one that fits.
pub(super) fn encode(planes: &JfifPlanes, limits: JpegLimits) -> Result<Vec<u8>, RedactError> {
    let mut quality = limits.quality.clamp(1, 100);
    loop {
        let mut bytes = Vec::with_capacity(planes.luma.samples.len() / 6);
        let mut encoder = Encoder::new(&mut bytes, quality);
        encoder.set_sampling_factor(SamplingFactor::F_2_2);
        encoder.encode_image(Rows(planes)).map_err(RedactError::Encode)?;
        if bytes.len() <= limits.max_bytes {
            return Ok(bytes);
        }
        if quality <= LOWEST_QUALITY {
            return Err(RedactError::TooLarge {
                width: planes.width(),
                height: planes.height(),
                found_bytes: bytes.len(),
                max_bytes: limits.max_bytes,
            });
        }
        quality = quality.saturating_sub(QUALITY_STEP).max(LOWEST_QUALITY);
    }
}

/// Hands the planes to the encoder row by row.
struct Rows<'a>(&'a JfifPlanes);

impl ImageBuffer for Rows<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.0.width()
    }

    fn height(&self) -> u16 {
        self.0.height()
    }

    /// The encoder takes rows at full resolution and, for 4:2:0, reads every second chroma sample of every second row:
    /// doubling the samples gives it back exactly the plane. Rows that it does not read are filled with grey; the last
    /// row it repeats down to the end of its block, so that row counts as read.
    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let Self(planes) = self;
        let (y, width) = (usize::from(y), planes.luma.width);
        let is_read = y.is_multiple_of(2) || y + 1 == planes.luma.height;
        let [luma, cb, cr, _] = buffers;
        luma.extend_from_slice(planes.luma.row(y));
        for (buffer, plane) in [(cb, &planes.cb), (cr, &planes.cr)] {
            if is_read {
                extend_doubled(buffer, plane, y / 2, width);
            } else {
                buffer.resize(buffer.len() + width, 128);
            }
        }
    }
}

/// Appends `width` samples: row `y` of the plane with each sample twice.
fn extend_doubled(buffer: &mut Vec<u8>, plane: &Plane, y: usize, width: usize) {
    let end = buffer.len() + width;
    buffer.extend(plane.row(y).iter().flat_map(|&v| [v, v]));
    buffer.truncate(end);
}
