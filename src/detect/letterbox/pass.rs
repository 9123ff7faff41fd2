//! The loops over pixels.
//!
//! Each output row is made in two steps. Gathering picks, for every output pixel, the four neighbours of a component and
//! packs them into a `u32`, two bytes at a time; the loads are scattered, so that no vector unit helps. Converting interpolates,
//! applies the channels' maps and stores; it has no branch and no index that is computed, so that the compiler vectorises it. On x86-64
//! the whole pass is compiled a second time for AVX2, which is chosen where the processor has it; other targets use what their
//! baseline has (NEON on aarch64).

#![expect(clippy::inline_always, reason = "what is called by the version for AVX2 must be compiled into it")]

use super::color::Channel;
use super::plan::{Axis, Plan};
use crate::detect::manifest::Layout;
use crate::frame::{Frame, PixelFormat};

/// An element of an input tensor.
pub trait Element: Copy + 'static {
    /// Stores a row of values, each in the element's range, rounded to the nearest that it can hold.
    fn store(values: &[f32], out: &mut [Self]);

    /// The elements as values, where they are the same: they need not be stored twice.
    #[inline(always)]
    #[must_use]
    fn as_values(_: &mut [Self]) -> Option<&mut [f32]> {
        None
    }
}

impl Element for f32 {
    #[inline(always)]
    fn store(values: &[f32], out: &mut [Self]) {
        out.copy_from_slice(values);
    }

    #[inline(always)]
    fn as_values(elements: &mut [Self]) -> Option<&mut [f32]> {
        Some(elements)
    }
}

impl Element for half::f16 {
    #[inline(always)]
    fn store(values: &[f32], out: &mut [Self]) {
        use half::slice::HalfFloatSliceExt;
        out.convert_from_f32_slice(values);
    }
}

impl Element for u8 {
    #[inline(always)]
    fn store(values: &[f32], out: &mut [Self]) {
        for (out, value) in out.iter_mut().zip(values) {
            *out = (value + 0.5) as u8;
        }
    }
}

/// Room for one output row, kept between frames.
#[derive(Debug)]
pub(super) struct Scratch {
    /// Neighbours of Y, Cb and Cr: upper left, upper right, lower left, lower right from the lowest byte up.
    quads: [Vec<u32>; 3],
    /// The three channels.
    channels: [Vec<f32>; 3],
    /// The three channels, interleaved; for NHWC.
    interleaved: Vec<f32>,
}

impl Scratch {
    /// For rows of at most `width` pixels.
    pub(super) fn new(width: u32) -> Self {
        let width = width as usize;
        Self {
            quads: std::array::from_fn(|_| vec![0; width]),
            channels: std::array::from_fn(|_| vec![0.0; width]),
            interleaved: vec![0.0; 3 * width],
        }
    }
}

/// A tensor and how its rows lie in it.
pub(super) struct Target<'a, E> {
    pub(super) elements: &'a mut [E],
    pub(super) layout: Layout,
    pub(super) width: usize,
    pub(super) height: usize,
}

impl<E: Element> Target<'_, E> {
    /// The `width` values from `(column, row)` on in each of the three planes, if it has planes and they hold values as they are.
    #[inline(always)]
    fn rows_mut(&mut self, column: usize, row: usize, width: usize) -> Option<[&mut [f32]; 3]> {
        match self.layout {
            Layout::Nchw => {
                let (first, rest) = E::as_values(self.elements)?.split_at_mut(self.width * self.height);
                let (second, third) = rest.split_at_mut(self.width * self.height);
                Some([first, second, third].map(|plane| &mut plane[row * self.width + column..][..width]))
            }
            Layout::Nhwc => None,
        }
    }

    /// Stores one row of the three channels from `(column, row)` on.
    #[inline(always)]
    fn store(&mut self, column: usize, row: usize, channels: [&[f32]; 3], interleaved: &mut [f32]) {
        let at = row * self.width + column;
        match self.layout {
            Layout::Nchw => {
                for (values, plane) in channels.iter().zip(self.elements.chunks_exact_mut(self.width * self.height)) {
                    E::store(values, &mut plane[at..][..values.len()]);
                }
            }
            Layout::Nhwc => {
                let [first, second, third] = channels;
                for (pixel, ((&a, &b), &c)) in interleaved.chunks_exact_mut(3).zip(first.iter().zip(second).zip(third))
                {
                    pixel.copy_from_slice(&[a, b, c]);
                }
                E::store(&interleaved[..3 * first.len()], &mut self.elements[3 * at..][..3 * first.len()]);
            }
        }
    }

    /// Fills the whole tensor with one value per channel.
    pub(super) fn fill(&mut self, values: [f32; 3], scratch: &mut Scratch) {
        let Scratch { channels, interleaved, .. } = scratch;
        for (channel, value) in channels.iter_mut().zip(values) {
            channel.fill(value);
        }
        let [first, second, third] = &*channels;
        for row in 0..self.height {
            self.store(0, row, [first, second, third], interleaved);
        }
    }
}

/// Writes a frame's part into the tensor; the border is left alone.
pub(super) fn write<E: Element>(plan: &Plan, frame: &Frame, scratch: &mut Scratch, target: &mut Target<'_, E>) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, asked just above.
        return unsafe { write_avx2(plan, frame, scratch, target) };
    }
    write_rows(plan, frame, scratch, target);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn write_avx2<E: Element>(plan: &Plan, frame: &Frame, scratch: &mut Scratch, target: &mut Target<'_, E>) {
    write_rows(plan, frame, scratch, target);
}

#[inline(always)]
fn write_rows<E: Element>(plan: &Plan, frame: &Frame, scratch: &mut Scratch, target: &mut Target<'_, E>) {
    let planes = [0, 1, 2].map(|index| Plane { bytes: frame.plane(index), stride: plan.layout.strides[index] });
    let (luma_width, luma_height) = (plan.layout.width as usize, plan.layout.height as usize);
    let (chroma_width, chroma_height) = (luma_width.div_ceil(2), luma_height.div_ceil(2));
    let (left, top, width) = (plan.letterbox.left as usize, plan.letterbox.top as usize, plan.letterbox.width as usize);
    let [y, cb, cr] = scratch.quads.each_mut().map(|row| &mut row[..width]);
    for row in 0..plan.letterbox.height as usize {
        let chroma_row = plan.chroma_y.first[row];
        gather(planes[0].rows(plan.luma_y.first[row], luma_width, luma_height), &plan.luma_x, y);
        match plan.layout.format {
            PixelFormat::I420 => {
                gather(planes[1].rows(chroma_row, chroma_width, chroma_height), &plan.chroma_x, cb);
                gather(planes[2].rows(chroma_row, chroma_width, chroma_height), &plan.chroma_x, cr);
            }
            PixelFormat::Nv12 => {
                gather_pairs(planes[1].rows(chroma_row, 2 * chroma_width, chroma_height), &plan.chroma_x, cb, cr);
            }
        }
        let weights = RowWeights {
            luma_x: &plan.luma_x.weight,
            chroma_x: &plan.chroma_x.weight,
            luma_y: plan.luma_y.weight[row],
            chroma_y: plan.chroma_y.weight[row],
        };
        let quads = [&*y, &*cb, &*cr];
        if let Some(rows) = target.rows_mut(left, top + row, width) {
            convert(quads, &weights, &plan.channels, rows);
        } else {
            convert(quads, &weights, &plan.channels, scratch.channels.each_mut().map(|row| &mut row[..width]));
            let channels = scratch.channels.each_ref().map(|row| &row[..width]);
            target.store(left, top + row, channels, &mut scratch.interleaved);
        }
    }
}

/// The bytes of a plane.
#[derive(Clone, Copy)]
struct Plane<'a> {
    bytes: &'a [u8],
    stride: usize,
}

impl<'a> Plane<'a> {
    /// A row of `row_bytes` and the next; the last of `height` twice at the lower edge.
    #[inline(always)]
    fn rows(self, row: u32, row_bytes: usize, height: usize) -> [&'a [u8]; 2] {
        let row = row as usize;
        [row, (row + 1).min(height - 1)].map(|row| &self.bytes[row * self.stride..][..row_bytes])
    }
}

/// The four neighbours of each output pixel; at the right edge the last sample is repeated.
#[inline(always)]
fn gather([upper, lower]: [&[u8]; 2], axis: &Axis, out: &mut [u32]) {
    let pair = |row: &[u8], at: usize| match row.get(at..at + 2) {
        Some(pair) => u32::from(u16::from_le_bytes([pair[0], pair[1]])),
        None => u32::from(row[at]) * 0x0101,
    };
    for (out, &first) in out.iter_mut().zip(&axis.first) {
        *out = pair(upper, first as usize) | pair(lower, first as usize) << 16;
    }
}

/// As [`gather`], for a row in which Cb and Cr take turns.
#[inline(always)]
fn gather_pairs([upper, lower]: [&[u8]; 2], axis: &Axis, blue: &mut [u32], red: &mut [u32]) {
    let four = |row: &[u8], at: usize| match row.get(2 * at..2 * at + 4) {
        Some(four) => u32::from_le_bytes([four[0], four[1], four[2], four[3]]),
        None => u32::from(u16::from_le_bytes([row[2 * at], row[2 * at + 1]])) * 0x0001_0001,
    };
    // Cb0 Cr0 Cb1 Cr1 from the lowest byte up.
    let cb = |four: u32| four & 0xff | four >> 8 & 0xff00;
    let cr = |four: u32| four >> 8 & 0xff | four >> 16 & 0xff00;
    for ((blue, red), &first) in blue.iter_mut().zip(red).zip(&axis.first) {
        let (upper, lower) = (four(upper, first as usize), four(lower, first as usize));
        *blue = cb(upper) | cb(lower) << 16;
        *red = cr(upper) | cr(lower) << 16;
    }
}

/// Weights of the right and lower neighbours in one output row.
struct RowWeights<'a> {
    luma_x: &'a [f32],
    chroma_x: &'a [f32],
    luma_y: f32,
    chroma_y: f32,
}

/// Interpolates one row and maps it to the channels.
#[inline(always)]
fn convert(quads: [&[u32]; 3], weights: &RowWeights<'_>, channels: &[Channel; 3], out: [&mut [f32]; 3]) {
    let width = quads[0].len();
    // Slices of one length, so that the loop needs no check.
    let [y, cb, cr] = quads.map(|quads| &quads[..width]);
    let (luma_x, chroma_x) = (&weights.luma_x[..width], &weights.chroma_x[..width]);
    let [first, second, third] = out.map(|row| &mut row[..width]);
    for index in 0..width {
        let luma = bilinear(y[index], luma_x[index], weights.luma_y);
        let cb = bilinear(cb[index], chroma_x[index], weights.chroma_y);
        let cr = bilinear(cr[index], chroma_x[index], weights.chroma_y);
        let value = |channel: &Channel| {
            let value = luma * channel.luma + cb * channel.cb + cr * channel.cr + channel.bias;
            value.max(channel.low).min(channel.high)
        };
        first[index] = value(&channels[0]);
        second[index] = value(&channels[1]);
        third[index] = value(&channels[2]);
    }
}

#[inline(always)]
fn bilinear(quad: u32, x: f32, y: f32) -> f32 {
    let [upper_left, upper_right, lower_left, lower_right] =
        [quad & 0xff, quad >> 8 & 0xff, quad >> 16 & 0xff, quad >> 24].map(|byte| byte as f32);
    let upper = upper_left + (upper_right - upper_left) * x;
    let lower = lower_left + (lower_right - lower_left) * x;
    upper + (lower - upper) * y
}
