//! From 8-bit YCbCr to the values of the tensor's channels, as one affine map per channel.

use super::super::manifest::{Color, Input};
use crate::frame::{ColorMatrix, ColorRange};

/// One channel of the tensor: `y * luma + cb * Cb + cr * Cr + bias`, cut to `low..=high` (what black and full white become).
///
/// Range, matrix (ITU-T H.273, matrix coefficients 1 and 6), scale, mean and deviation of the manifest are all folded into it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Channel {
    pub(super) luma: f32,
    pub(super) cb: f32,
    pub(super) cr: f32,
    pub(super) bias: f32,
    pub(super) low: f32,
    pub(super) high: f32,
}

/// The channels in the tensor's order.
pub(super) fn channels(input: &Input, matrix: ColorMatrix, range: ColorRange) -> [Channel; 3] {
    let (kr, kb) = match matrix {
        ColorMatrix::Bt601 => (0.299, 0.114),
        ColorMatrix::Bt709 => (0.2126, 0.0722),
    };
    let kg = 1.0 - kr - kb;
    let (luma_gain, luma_zero, chroma_gain) = match range {
        ColorRange::Limited => (255.0 / 219.0, 16.0, 255.0 / 224.0),
        ColorRange::Full => (1.0, 0.0, 1.0),
    };
    let (red_cr, blue_cb) = (2.0 * (1.0 - kr) * chroma_gain, 2.0 * (1.0 - kb) * chroma_gain);
    let (red, green, blue) = ((0.0, red_cr), (-blue_cb * kb / kg, -red_cr * kr / kg), (blue_cb, 0.0));
    let in_order = match input.color {
        Color::Rgb => [red, green, blue],
        Color::Bgr => [blue, green, red],
    };
    std::array::from_fn(|index| {
        let (cb, cr): (f32, f32) = in_order[index];
        let gain = input.scale / input.std[index];
        let black = -input.mean[index] / input.std[index];
        Channel {
            luma: luma_gain * gain,
            cb: cb * gain,
            cr: cr * gain,
            bias: black - (luma_zero * luma_gain + 128.0 * (cb + cr)) * gain,
            low: black,
            high: black + 255.0 * gain,
        }
    })
}

/// What the border holds in each channel.
pub(super) fn border(input: &Input) -> [f32; 3] {
    std::array::from_fn(|index| (f32::from(input.pad) * input.scale - input.mean[index]) / input.std[index])
}
