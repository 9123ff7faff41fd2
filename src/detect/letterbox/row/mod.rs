//! One output row: chroma of three rows mixed into one, then every pixel sampled, converted and scaled.
//!
//! Both steps exist twice: [`portable`] says what is done, [`avx2`] does the same sixteen pixels at a time on x86-64, to the bit. Arithmetic is
//! of sixteen bits, which is good to a tenth of a level: luma in units of 1 / [`LEVEL`] of a level, chroma from its middle in those of
//! 1 / [`CHROMA_LEVEL`], shares in those of 1 / 2^15. What is added, cut and interpolated stays within an `i16`: luma of at most 255 levels
//! and, with the opposite of its colour (a matrix of less than 2 times 128), below 512.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Blocks;

use super::color::{Channel, Luma};
use super::plan::Columns;

/// A level of luma.
const LEVEL: i16 = 32;
/// A level of chroma.
const CHROMA_LEVEL: i16 = 128;

/// Cb and Cr of a place, side by side, from their middle.
pub(super) type CbCr = [i16; 2];

/// A share of 0..=1.
pub(super) fn share(share: f32) -> i16 {
    (share * 32768.0).round().min(32767.0) as i16
}

/// Three rows of chroma, one above the other.
#[derive(Clone, Copy)]
pub(super) enum ChromaRows<'a> {
    /// A plane of Cb and one of Cr.
    Planes([[&'a [u8]; 3]; 2]),
    /// Cb and Cr in turn.
    Interleaved([&'a [u8]; 3]),
}

/// What one output row is made of.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    /// The two rows of luma between which it lies.
    pub(super) luma: [&'a [u8]; 2],
    /// Its share of the lower one.
    pub(super) y: i16,
    /// Its chroma, one sample more before and two more after than the [`columns`](Columns) count.
    pub(super) chroma: &'a [CbCr],
}

/// A channel's map.
#[derive(Debug, Clone, Copy)]
pub(super) struct Converter {
    /// From Cb and Cr to luma, in units of 1 / 2^14.
    chroma: CbCr,
    /// The range of luma.
    zero: i16,
    span: i16,
    /// From levels above black to values of the tensor.
    gain: f32,
    black: f32,
}

impl Converter {
    pub(super) fn new(channel: &Channel, luma: Luma) -> Self {
        let chroma = [channel.cb, channel.cr].map(|factor| (factor * 16384.0).round() as i16);
        let (zero, span) = (luma.zero * LEVEL, luma.span * LEVEL);
        Self { chroma, zero, span, gain: channel.gain / f32::from(LEVEL), black: channel.black }
    }
}

/// Mixes rows of chroma by their shares, from the sample `from` on.
pub(super) fn mix(rows: ChromaRows<'_>, from: usize, shares: [i16; 3], out: &mut [CbCr]) {
    #[cfg(target_arch = "x86_64")]
    if out.len() >= avx2::LANES && is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, asked just above.
        return unsafe { avx2::mix(rows, from, shares, out) };
    }
    portable::mix(rows, from, shares, out);
}

/// Samples, converts and scales one row; `out` is as long as `columns`.
pub(super) fn convert(sources: &Sources<'_>, columns: &Columns, converters: &[Converter; 3], out: [&mut [f32]; 3]) {
    #[cfg(target_arch = "x86_64")]
    if let Some(blocks) = &columns.blocks {
        // SAFETY: there are blocks only where the processor has AVX2.
        return unsafe { avx2::convert(sources, blocks, converters, out) };
    }
    portable::convert(sources, columns, converters, out);
}

#[cfg(test)]
mod tests;
