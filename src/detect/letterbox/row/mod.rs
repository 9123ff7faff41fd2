//! One output row: the four pixels around each of its own are brought to full colour, cut to what can be shown, and interpolated.
//!
//! It exists twice: [`portable`] says what is done, [`avx2`] does the same eight pixels at a time on x86-64, to the bit. Arithmetic is of
//! sixteen bits, which is good to a tenth of a level: luma in units of 1 / [`LEVEL`] of a level, chroma from its middle in those of
//! 1 / [`CHROMA_LEVEL`]; what colour carries beyond that range is cut there, which is beyond what can be shown.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Blocks;

use super::color::Colors;
use super::plan::Columns;

/// A level of luma.
const LEVEL: i16 = 128;
/// A level of chroma.
const CHROMA_LEVEL: u16 = 256;
/// What a column's shares of its two neighbours are together.
const WHOLE: i16 = 1 << 14;

/// Of a place between two rows, a share of 0..=1 of the lower one; what two rows are apart is multiplied by it, rounding.
fn share_of_rows(share: f32) -> i16 {
    (share * 32768.0).round().min(32767.0) as i16
}

/// Of a place between two columns, the shares of either; they are [`WHOLE`] together.
pub(super) fn shares_of_columns(share: f32) -> [i16; 2] {
    let right = (share * f32::from(WHOLE)).round() as i16;
    [WHOLE - right, right]
}

/// What one output row is made of.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    /// The two rows of luma between which it lies.
    pub(super) luma: [&'a [u8]; 2],
    /// Its share of the lower one.
    pub(super) share: f32,
    /// Whether the upper one is the first of the two that share a row of chroma.
    pub(super) is_first: bool,
    /// Of Cb and of Cr: the row of chroma that the upper one has, after the one before it, before the one after it.
    pub(super) chroma: [[&'a [u8]; 3]; 2],
}

/// Where an output row goes; as long as its columns.
pub(super) enum Out<'a> {
    /// A row for each channel.
    Planes([&'a mut [f32]; 3]),
    /// The three channels of a pixel side by side.
    Pixels(&'a mut [f32]),
}

/// [`Colors`] in the units of the arithmetic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Converter {
    /// From chroma to luma, in units of 1 / 2^14.
    red: i16,
    green: [i16; 2],
    blue: i16,
    /// The range of luma.
    zero: i16,
    white: i16,
    is_bgr: bool,
    /// From interpolated luma to values of the tensor.
    gain: [f32; 3],
    offset: [f32; 3],
}

impl Converter {
    pub(super) fn new(colors: &Colors) -> Self {
        let factor = |factor: f32| (factor * 16384.0).round() as i16;
        let gain = colors.gain.map(|gain| gain / (f32::from(LEVEL) * f32::from(WHOLE)));
        let zero = f32::from(colors.zero);
        Self {
            red: factor(colors.red),
            green: colors.green.map(factor),
            blue: factor(colors.blue),
            zero: i16::from(colors.zero) * LEVEL,
            white: i16::from(colors.white) * LEVEL,
            is_bgr: colors.is_bgr,
            gain,
            offset: std::array::from_fn(|index| colors.black[index] - zero * colors.gain[index]),
        }
    }

    /// Red, green and blue as the tensor has them.
    fn in_order<T>(&self, [red, green, blue]: [T; 3]) -> [T; 3] {
        if self.is_bgr { [blue, green, red] } else { [red, green, blue] }
    }
}

/// Writes one row.
pub(super) fn convert(sources: &Sources<'_>, columns: &Columns, converter: &Converter, out: Out<'_>) {
    #[cfg(target_arch = "x86_64")]
    if let Some(blocks) = &columns.blocks {
        // SAFETY: there are blocks only where the processor has AVX2.
        return unsafe { avx2::convert(sources, blocks, converter, out) };
    }
    portable::convert(sources, columns, converter, out);
}

#[cfg(test)]
mod tests;
