//! The loops over pixels.
//!
//! Each output row is made in two steps. Gathering picks, for every output pixel, the four neighbours of luma and packs them into a
//! `u32`, two bytes at a time, and the [chroma](super::chroma) beside them; the loads are scattered, so that no vector unit helps.
//! Converting applies the channels' maps, cuts and interpolates; it has no branch and no index that is computed, so that the compiler
//! vectorises it. On x86-64 the whole pass is compiled a second time for AVX2, which is chosen where the processor has it; other
//! targets use what their baseline has (NEON on aarch64).

#![expect(clippy::inline_always, reason = "what is called by the version for AVX2 must be compiled into it")]

use super::chroma::{self, ChromaRow, Triples};
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
    /// Neighbours of Y: upper left, upper right, lower left, lower right from the lowest byte up.
    quads: Vec<u32>,
    /// Cb and Cr.
    chroma: [ChromaRow; 2],
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
            quads: vec![0; width],
            chroma: std::array::from_fn(|_| ChromaRow::new(width)),
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
    let converters = plan.channels.each_ref().map(Converter::of);
    let Scratch { quads, chroma: [cb, cr], channels, interleaved } = scratch;
    let quads = &mut quads[..width];
    for row in 0..plan.letterbox.height as usize {
        gather(planes[0].pair(plan.luma_y.first[row], luma_width, luma_height), &plan.luma_x, quads);
        let middle = plan.chroma_y.middle[row];
        let (before, after) = (plan.chroma_y.before[row], plan.chroma_y.after[row]);
        let (weights, axis) = ([before, 1.0 - before - after, after], &plan.chroma_x);
        let (cb, cr) = match plan.layout.format {
            PixelFormat::I420 => {
                let [blue, red] = [1, 2].map(|index| planes[index].three(middle, chroma_width, chroma_height));
                (cb.take::<1>(blue, chroma_width, weights, axis), cr.take::<1>(red, chroma_width, weights, axis))
            }
            PixelFormat::Nv12 => {
                let blue = planes[1].three(middle, 2 * chroma_width, chroma_height);
                let red = blue.map(|row| &row[1..]);
                (cb.take::<2>(blue, chroma_width, weights, axis), cr.take::<2>(red, chroma_width, weights, axis))
            }
        };
        let sources = Sources { luma: quads, cb, cr };
        let weight_y = plan.luma_y.weight[row];
        if let Some(rows) = target.rows_mut(left, top + row, width) {
            convert(&sources, plan, weight_y, &converters, rows);
        } else {
            convert(&sources, plan, weight_y, &converters, channels.each_mut().map(|row| &mut row[..width]));
            target.store(left, top + row, channels.each_ref().map(|row| &row[..width]), interleaved);
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
    fn pair(self, row: u32, row_bytes: usize, height: usize) -> [&'a [u8]; 2] {
        let row = row as usize;
        [row, (row + 1).min(height - 1)].map(|row| &self.bytes[row * self.stride..][..row_bytes])
    }

    /// The row before, the row, and the next; the first and the last of `height` twice at the edges.
    #[inline(always)]
    fn three(self, row: u32, row_bytes: usize, height: usize) -> [&'a [u8]; 3] {
        let row = row as usize;
        [row.saturating_sub(1), row, (row + 1).min(height - 1)].map(|row| &self.bytes[row * self.stride..][..row_bytes])
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

/// What one output row is made of.
struct Sources<'a> {
    luma: &'a [u32],
    cb: Triples<'a>,
    cr: Triples<'a>,
}

/// A channel's map, divided by what luma is multiplied with: cut and interpolated are bytes of luma, to which the colour is added.
struct Converter {
    cb: f32,
    cr: f32,
    bias: f32,
    low: f32,
    high: f32,
    gain: f32,
}

impl Converter {
    fn of(channel: &Channel) -> Self {
        let Channel { luma: gain, cb, cr, bias, low, high } = *channel;
        let (cb, cr) = (cb / gain / chroma::UNIT, cr / gain / chroma::UNIT);
        Self { cb, cr, bias: bias / gain, low: low / gain, high: high / gain, gain }
    }

    /// The value of a pixel among four of luma: each is converted and cut to what can be shown, then they are interpolated.
    #[inline(always)]
    fn value(&self, luma: [f32; 4], cb: f32, cr: f32, x: f32, y: f32) -> f32 {
        let color = cb * self.cb + cr * self.cr + self.bias;
        let (low, high) = (self.low - color, self.high - color);
        let [upper_left, upper_right, lower_left, lower_right] = luma.map(|luma| smaller(larger(luma, low), high));
        let upper = upper_left + (upper_right - upper_left) * x;
        let lower = lower_left + (lower_right - lower_left) * x;
        (upper + (lower - upper) * y + color) * self.gain
    }
}

/// Converts and interpolates one row.
#[inline(always)]
fn convert(sources: &Sources<'_>, plan: &Plan, y: f32, converters: &[Converter; 3], out: [&mut [f32]; 3]) {
    let width = sources.luma.len();
    // Slices of one length, so that the loop needs no check.
    let (cb, cr) = (sources.cb.of_length(width), sources.cr.of_length(width));
    let x = &plan.luma_x.weight[..width];
    let (before, after) = (&plan.chroma_x.before[..width], &plan.chroma_x.after[..width]);
    let [first, second, third] = out.map(|row| &mut row[..width]);
    for index in 0..width {
        let quad = sources.luma[index];
        let luma = [quad & 0xff, quad >> 8 & 0xff, quad >> 16 & 0xff, quad >> 24].map(|byte| byte as f32);
        let (cb, cr) = (cb.at(index, before[index], after[index]), cr.at(index, before[index], after[index]));
        first[index] = converters[0].value(luma, cb, cr, x[index], y);
        second[index] = converters[1].value(luma, cb, cr, x[index], y);
        third[index] = converters[2].value(luma, cb, cr, x[index], y);
    }
}

/// The larger of two numbers: one instruction, where `f32::max` looks for NaN as well.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// The smaller of two numbers.
#[inline(always)]
fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}
