//! From 8-bit YCbCr to the values of the tensor's channels, as one affine map per channel.

use super::super::manifest::{Color, Input};
use crate::frame::{ColorMatrix, ColorRange};

/// One channel of the tensor: `(clamp(y + cb * (Cb - 128) + cr * (Cr - 128), zero, zero + span) - zero) * gain + black`, where `zero` and
/// `span` are the [luma range](Luma): the colour is added in units of luma, and what cannot be shown is cut.
///
/// Range, matrix (ITU-T H.273, matrix coefficients 1 and 6), scale, mean and deviation of the manifest are all folded into it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Channel {
    /// Less than 2 by magnitude, as are all matrices of H.273.
    pub(super) cb: f32,
    pub(super) cr: f32,
    /// What one of luma adds to the tensor's value.
    pub(super) gain: f32,
    /// The tensor's value of black.
    pub(super) black: f32,
}

/// The range of luma.
#[derive(Debug, Clone, Copy)]
pub(super) struct Luma {
    /// Black.
    pub(super) zero: i16,
    /// From black to white.
    pub(super) span: i16,
}

impl Luma {
    pub(super) fn of(range: ColorRange) -> Self {
        match range {
            ColorRange::Limited => Self { zero: 16, span: 219 },
            ColorRange::Full => Self { zero: 0, span: 255 },
        }
    }
}

/// The channels in the tensor's order.
pub(super) fn channels(input: &Input, matrix: ColorMatrix, range: ColorRange) -> [Channel; 3] {
    let (kr, kb) = match matrix {
        ColorMatrix::Bt601 => (0.299, 0.114),
        ColorMatrix::Bt709 => (0.2126, 0.0722),
    };
    let kg = 1.0 - kr - kb;
    let span = f32::from(Luma::of(range).span);
    let chroma_span = match range {
        ColorRange::Limited => 224.0,
        ColorRange::Full => 255.0,
    };
    let unit = span / chroma_span;
    let (red_cr, blue_cb) = (2.0 * (1.0 - kr) * unit, 2.0 * (1.0 - kb) * unit);
    let (red, green, blue) = ((0.0, red_cr), (-blue_cb * kb / kg, -red_cr * kr / kg), (blue_cb, 0.0));
    let in_order = match input.color {
        Color::Rgb => [red, green, blue],
        Color::Bgr => [blue, green, red],
    };
    std::array::from_fn(|index| {
        let (cb, cr) = in_order[index];
        let gain = 255.0 / span * input.scale / input.std[index];
        Channel { cb, cr, gain, black: -input.mean[index] / input.std[index] }
    })
}

/// What the border holds in each channel.
pub(super) fn border(input: &Input) -> [f32; 3] {
    std::array::from_fn(|index| (f32::from(input.pad) * input.scale - input.mean[index]) / input.std[index])
}
