//! A frame's part into the tensor, a row at a time.

use super::chroma::ChromaRow;
use super::plan::Plan;
use super::row::{ChromaRows, Converter, Sources, convert};
use crate::detect::manifest::Layout;
use crate::frame::{Frame, PixelFormat};

/// An element of an input tensor.
pub trait Element: Copy + 'static {
    /// Stores a row of values, each in the element's range, rounded to the nearest that it can hold.
    fn store(values: &[f32], out: &mut [Self]);

    /// The elements as values, where they are the same: they need not be stored twice.
    #[must_use]
    fn as_values(_: &mut [Self]) -> Option<&mut [f32]> {
        None
    }
}

impl Element for f32 {
    fn store(values: &[f32], out: &mut [Self]) {
        out.copy_from_slice(values);
    }

    fn as_values(elements: &mut [Self]) -> Option<&mut [f32]> {
        Some(elements)
    }
}

impl Element for half::f16 {
    fn store(values: &[f32], out: &mut [Self]) {
        use half::slice::HalfFloatSliceExt;
        out.convert_from_f32_slice(values);
    }
}

impl Element for u8 {
    fn store(values: &[f32], out: &mut [Self]) {
        for (out, value) in out.iter_mut().zip(values) {
            *out = (value + 0.5) as u8;
        }
    }
}

/// Room for one output row, kept between frames.
#[derive(Debug)]
pub(super) struct Scratch {
    chroma: ChromaRow,
    /// The three channels, where they are not written into the tensor at once.
    channels: [Vec<f32>; 3],
    /// The three channels, interleaved; for NHWC.
    interleaved: Vec<f32>,
}

impl Scratch {
    /// For rows of at most `width` pixels.
    pub(super) fn new(width: u32) -> Self {
        let width = width as usize;
        Self {
            chroma: ChromaRow::default(),
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
    let planes = [0, 1, 2].map(|index| Plane { bytes: frame.plane(index), stride: plan.layout.strides[index] });
    let (luma_width, luma_height) = (plan.layout.width as usize, plan.layout.height as usize);
    let (chroma_width, chroma_height) = (luma_width.div_ceil(2), luma_height.div_ceil(2));
    let (left, top, width) = (plan.letterbox.left as usize, plan.letterbox.top as usize, plan.letterbox.width as usize);
    let converters = plan.channels.each_ref().map(|channel| Converter::new(channel, plan.luma));
    let Scratch { chroma, channels, interleaved } = scratch;
    for (row, (&(upper, y), &(middle, shares))) in plan.rows.luma.iter().zip(&plan.rows.chroma).enumerate() {
        let rows = match plan.layout.format {
            PixelFormat::I420 => {
                ChromaRows::Planes([1, 2].map(|index| planes[index].three(middle, chroma_width, chroma_height)))
            }
            PixelFormat::Nv12 => ChromaRows::Interleaved(planes[1].three(middle, 2 * chroma_width, chroma_height)),
        };
        let chroma = chroma.mix(rows, chroma_width, shares, &plan.columns);
        let sources = Sources { luma: planes[0].pair(upper, luma_width, luma_height), y, chroma };
        if let Some(rows) = target.rows_mut(left, top + row, width) {
            convert(&sources, &plan.columns, &converters, rows);
        } else {
            convert(&sources, &plan.columns, &converters, channels.each_mut().map(|row| &mut row[..width]));
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
    fn pair(self, row: u32, row_bytes: usize, height: usize) -> [&'a [u8]; 2] {
        let row = row as usize;
        [row, (row + 1).min(height - 1)].map(|row| &self.bytes[row * self.stride..][..row_bytes])
    }

    /// The row before, the row, and the next; the first and the last of `height` twice at the edges.
    fn three(self, row: u32, row_bytes: usize, height: usize) -> [&'a [u8]; 3] {
        let row = row as usize;
        [row.saturating_sub(1), row, (row + 1).min(height - 1)].map(|row| &self.bytes[row * self.stride..][..row_bytes])
    }
}
