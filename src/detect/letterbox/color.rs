//! From 8-bit YCbCr to the values of the tensor's channels.

use super::super::manifest::{Color, Input};
use crate::frame::{ColorMatrix, ColorRange};

/// What makes a pixel of YCbCr one of the tensor. Colour is added in units of luma, and cut to the range of luma, as what cannot be shown:
///
/// - red: `clamp(y + red * (Cr - 128), zero, white)`
/// - green: `clamp(y + green[0] * (Cb - 128) + green[1] * (Cr - 128), zero, white)`
/// - blue: `clamp(y + blue * (Cb - 128), zero, white)`
///
/// A channel of the tensor is one of them in the tensor's order, less `zero`, times its `gain`, plus its `black`: range, matrix (ITU-T H.273,
/// matrix coefficients 1 and 6), scale, mean and deviation of the manifest are all folded into these numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Colors {
    /// Less than 2, as are all numbers of H.273's matrices.
    pub(super) red: f32,
    pub(super) green: [f32; 2],
    pub(super) blue: f32,
    /// Luma of black.
    pub(super) zero: u8,
    /// Luma of white.
    pub(super) white: u8,
    /// Whether blue is the first channel.
    pub(super) is_bgr: bool,
    /// What one of luma adds to the value of each channel.
    pub(super) gain: [f32; 3],
    /// The value of black in each channel.
    pub(super) black: [f32; 3],
}

impl Colors {
    pub(super) fn new(input: &Input, matrix: ColorMatrix, range: ColorRange) -> Self {
        let (kr, kb) = match matrix {
            ColorMatrix::Bt601 => (0.299, 0.114),
            ColorMatrix::Bt709 => (0.2126, 0.0722),
        };
        let kg = 1.0 - kr - kb;
        let (zero, white, chroma_span) = match range {
            ColorRange::Limited => (16, 235, 224.0),
            ColorRange::Full => (0, 255, 255.0),
        };
        let span = f32::from(white - zero);
        let (red, blue) = (2.0 * (1.0 - kr) * span / chroma_span, 2.0 * (1.0 - kb) * span / chroma_span);
        Self {
            red,
            green: [-blue * kb / kg, -red * kr / kg],
            blue,
            zero,
            white,
            is_bgr: input.color == Color::Bgr,
            gain: input.std.map(|deviation| 255.0 / span * input.scale / deviation),
            black: std::array::from_fn(|index| -input.mean[index] / input.std[index]),
        }
    }
}

/// What the border holds in each channel.
pub(super) fn border(input: &Input) -> [f32; 3] {
    std::array::from_fn(|index| (f32::from(input.pad) * input.scale - input.mean[index]) / input.std[index])
}
