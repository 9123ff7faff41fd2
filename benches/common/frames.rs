//! A picture with edges, gradients and noise, made without a decoder.

use curbwatch::frame::{ColorMatrix, ColorRange, Frame, FrameLayout, FrameStamp, PixelFormat};

/// A made-up frame of BT.709 and limited range, packed I420; both sides even.
pub fn street(width: u32, height: u32) -> Frame {
    let (w, h) = (width as usize, height as usize);
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 28) as usize
    };
    let mut plane = |w: usize, h: usize, block: usize| {
        let value = |at: usize| 16 + ((at % w / block * 37) ^ (at / w / block * 61)) % 200;
        (0..w * h).map(|at| (value(at) + noise()) as u8).collect::<Vec<u8>>()
    };
    let planes = [plane(w, h, 40), plane(w / 2, h / 2, 20), plane(w / 2, h / 2, 20)];
    let layout = FrameLayout {
        width,
        height,
        format: PixelFormat::I420,
        matrix: ColorMatrix::Bt709,
        range: ColorRange::Limited,
        strides: [w, w / 2, w / 2],
    };
    let stamp = FrameStamp::of_recording(std::time::Duration::ZERO, jiff::Timestamp::UNIX_EPOCH, 0);
    Frame::try_from_planes(layout, stamp, planes).expect("planes of that size")
}
