//! A frame's part into the tensor, a row at a time.

use super::chroma::Apart;
use super::plan::Plan;
use super::row::{Out, Sources, convert};
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
    /// Chroma that does not lie in planes.
    chroma: Apart,
    /// Values that are not written into the tensor at once, in its layout.
    values: Vec<f32>,
}

impl Scratch {
    /// For rows of at most `width` pixels.
    pub(super) fn new(width: u32) -> Self {
        Self { chroma: Apart::default(), values: vec![0.0; 3 * width as usize] }
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
    /// The `width` pixels from `(column, row)` on, if their values are held as they are.
    fn row_mut(&mut self, column: usize, row: usize, width: usize) -> Option<Out<'_>> {
        let (begin, plane) = (row * self.width + column, self.width * self.height);
        let values = E::as_values(self.elements)?;
        Some(match self.layout {
            Layout::Nchw => Out::Planes(thirds(values, plane).map(|plane| &mut plane[begin..][..width])),
            Layout::Nhwc => Out::Pixels(&mut values[3 * begin..][..3 * width]),
        })
    }

    /// Stores the pixels of a row from `(column, row)` on.
    fn store(&mut self, column: usize, row: usize, values: &[f32]) {
        let (begin, width) = (row * self.width + column, values.len() / 3);
        match self.layout {
            Layout::Nchw => {
                let planes = self.elements.chunks_exact_mut(self.width * self.height);
                for (values, plane) in values.chunks_exact(width).zip(planes) {
                    E::store(values, &mut plane[begin..][..width]);
                }
            }
            Layout::Nhwc => E::store(values, &mut self.elements[3 * begin..][..3 * width]),
        }
    }

    /// Fills the whole tensor with one value per channel.
    pub(super) fn fill(&mut self, values: [f32; 3]) {
        let mut pixel = [self.elements[0]; 3];
        E::store(&values, &mut pixel);
        match self.layout {
            Layout::Nchw => {
                let planes = self.elements.chunks_exact_mut(self.width * self.height);
                planes.zip(pixel).for_each(|(plane, element)| plane.fill(element));
            }
            Layout::Nhwc => self.elements.as_chunks_mut::<3>().0.fill(pixel),
        }
    }
}

/// Three parts of a length, one after the other.
fn thirds(values: &mut [f32], length: usize) -> [&mut [f32]; 3] {
    let (first, rest) = values.split_at_mut(length);
    let (second, third) = rest.split_at_mut(length);
    [first, second, third]
}

/// Writes a frame's part into the tensor; the border is left alone.
pub(super) fn write<E: Element>(plan: &Plan, frame: &Frame, scratch: &mut Scratch, target: &mut Target<'_, E>) {
    let planes = [0, 1, 2].map(|index| Plane { bytes: frame.plane(index), stride: plan.layout.strides[index] });
    let (luma_width, luma_height) = (plan.layout.width as usize, plan.layout.height as usize);
    let (chroma_width, chroma_height) = (luma_width.div_ceil(2), luma_height.div_ceil(2));
    let (left, top, width) = (plan.letterbox.left as usize, plan.letterbox.top as usize, plan.letterbox.width as usize);
    for (row, sample) in plan.rows.iter().enumerate() {
        let chroma_row = sample.first / 2;
        let sources = Sources {
            luma: planes[0].pair(sample.first, luma_width, luma_height),
            share: sample.share,
            is_first: sample.first.is_multiple_of(2),
            chroma: match plan.layout.format {
                PixelFormat::I420 => [1, 2].map(|index| planes[index].three(chroma_row, chroma_width, chroma_height)),
                PixelFormat::Nv12 => scratch.chroma.take(planes[1].three(chroma_row, 2 * chroma_width, chroma_height)),
            },
        };
        if let Some(out) = target.row_mut(left, top + row, width) {
            convert(&sources, &plan.columns, &plan.converter, out);
        } else {
            let values = &mut scratch.values[..3 * width];
            let out = match target.layout {
                Layout::Nchw => Out::Planes(thirds(values, width)),
                Layout::Nhwc => Out::Pixels(values),
            };
            convert(&sources, &plan.columns, &plan.converter, out);
            target.store(left, top + row, &scratch.values[..3 * width]);
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
