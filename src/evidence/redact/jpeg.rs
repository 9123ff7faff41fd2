//! Planes → JPEG within a limit of bytes.

use super::encoder::{JpegEncoder, RawPicture};
use super::planes::JfifPlanes;
use super::{JpegLimits, RedactError};

/// Quality is not lowered further: below it, blocks hide what the picture is to show.
const LOWEST_QUALITY: u8 = 30;
/// By how much quality is lowered per attempt: about a fifth fewer bytes.
const QUALITY_STEP: u8 = 12;

/// Encodes at the wanted quality, or at the best lower one that fits.
pub(super) fn encode(
    planes: &JfifPlanes,
    encoder: &mut JpegEncoder,
    limits: JpegLimits,
) -> Result<Vec<u8>, RedactError> {
    let raw = RawPicture::new(planes)?;
    let mut quality = limits.quality.clamp(1, 100);
    loop {
        let bytes = encoder.encode(&raw, quality)?;
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
