//! What depends on the size of a frame alone: where each output pixel is sampled.

use super::color::Colors;
#[cfg(target_arch = "x86_64")]
use super::row::Blocks;
use super::row::{Converter, shares_of_columns};
use super::{Letterbox, PixelRect};
use crate::detect::manifest::Input;
use crate::frame::FrameLayout;

/// Where an output sample lies between two of luma, in one direction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// The one before it.
    pub(super) first: u32,
    /// How near it is to the next, 0..=1.
    pub(super) share: f32,
}

/// `count` output samples over `size` luma samples from `start` on, of `all`. Pixel centres are aligned; beyond the plane's edges its last
/// sample is repeated.
pub(super) fn samples(count: u32, start: u32, size: u32, all: u32) -> Vec<Sample> {
    let step = size as f32 / count as f32;
    let last = (all - 1) as f32;
    let at = |index: u32| (start as f32 + (index as f32 + 0.5) * step - 0.5).clamp(0.0, last);
    (0..count).map(at).map(|at| Sample { first: at as u32, share: at.fract() }).collect()
}

/// The two samples of chroma, of `count`, of which a luma sample's is made: three quarters of the nearest, one of the next.
///
/// Chroma has half of luma's size. It is brought to it as JPEG decoders bring it there, and so the pictures on which models are trained
/// ("fancy upsampling" of libjpeg). Of the two samples of luma that share one of chroma the first has a quarter of the chroma before, the
/// second of that after.
pub(super) fn near_and_next(luma: usize, count: usize) -> [usize; 2] {
    let near = luma / 2;
    let next = if luma.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(count - 1) };
    [near, next]
}

/// What an output column is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// The two columns of luma between which it lies; beyond the right edge the last is repeated.
    pub(super) pair: [usize; 2],
    /// The shares of both.
    pub(super) shares: [i16; 2],
}

/// What each output column is made of.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) all: Vec<Column>,
    /// The same for whole vectors, where the processor has such.
    #[cfg(target_arch = "x86_64")]
    pub(super) blocks: Option<Blocks>,
}

impl Columns {
    /// For samples of rows of `width` pixels of luma.
    pub(super) fn new(samples: &[Sample], width: u32) -> Self {
        let width = width as usize;
        let column = |sample: &Sample| {
            let left = sample.first as usize;
            Column { pair: [left, (left + 1).min(width - 1)], shares: shares_of_columns(sample.share) }
        };
        let all: Vec<Column> = samples.iter().map(column).collect();
        Self {
            #[cfg(target_arch = "x86_64")]
            blocks: Blocks::new(&all, width),
            all,
        }
    }
}

/// How frames of one layout are written into the tensor.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) layout: FrameLayout,
    pub(super) part: PixelRect,
    pub(super) letterbox: Letterbox,
    pub(super) converter: Converter,
    pub(super) columns: Columns,
    pub(super) rows: Vec<Sample>,
}

impl Plan {
    pub(super) fn new(layout: FrameLayout, part: PixelRect, input: &Input) -> Self {
        let FrameLayout { width, height, .. } = layout;
        let letterbox = Letterbox::place(part, (width, height), input);
        Self {
            layout,
            part,
            letterbox,
            converter: Converter::new(&Colors::new(input, layout.matrix, layout.range)),
            columns: Columns::new(&samples(letterbox.width, part.left, part.width, width), width),
            rows: samples(letterbox.height, part.top, part.height, height),
        }
    }
}
