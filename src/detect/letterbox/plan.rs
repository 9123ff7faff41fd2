//! What depends on the size of a frame alone: where each output pixel is sampled.

use super::color::{Channel, Luma, channels};
#[cfg(target_arch = "x86_64")]
use super::row::Blocks;
use super::row::share;
use super::{Letterbox, PixelRect};
use crate::detect::manifest::Input;
use crate::frame::FrameLayout;

/// Where the output samples of one axis lie between luma samples: `weight` of the way from `first` to the next.
struct Axis {
    first: Vec<u32>,
    weight: Vec<f32>,
}

impl Axis {
    /// `count` output samples over `size` luma samples from `start` on, of `all`. Pixel centres are aligned; beyond the plane's edges its last
    /// sample is repeated.
    fn new(count: u32, start: u32, size: u32, all: u32) -> Self {
        let step = size as f32 / count as f32;
        let last = (all - 1) as f32;
        let at = |index: u32| (start as f32 + (index as f32 + 0.5) * step - 0.5).clamp(0.0, last);
        Self {
            first: (0..count).map(|index| at(index) as u32).collect(),
            weight: (0..count).map(|index| at(index).fract()).collect(),
        }
    }

    fn shares(&self) -> Vec<i16> {
        self.weight.iter().map(|weight| share(*weight)).collect()
    }

    /// The shares of three chroma samples of which each output sample is made; the middle one is at half of `first`.
    ///
    /// Chroma has half of luma's size. It is brought to it as JPEG decoders bring it there, and so the pictures on which models are trained: a
    /// luma sample has three quarters of the chroma sample nearest to it and one quarter of the next ("fancy upsampling" of libjpeg).
    /// Between two luma samples both are interpolated like luma, and what comes of it takes three chroma samples at most.
    fn chroma(&self) -> impl Iterator<Item = [i16; 3]> {
        // Of the two samples of luma that share one of chroma the first has a quarter of the chroma before, the second of that after.
        let weights = |(first, weight): (&u32, &f32)| {
            if first.is_multiple_of(2) {
                [0.25 * (1.0 - weight), 0.75, 0.25 * weight]
            } else {
                [0.0, 0.75 - 0.5 * weight, 0.25 + 0.5 * weight]
            }
        };
        self.first.iter().zip(&self.weight).map(move |sample| weights(sample).map(share))
    }
}

/// What each output row is made of.
#[derive(Debug)]
pub(super) struct Rows {
    /// The upper one of two rows of luma, and the share of the lower.
    pub(super) luma: Vec<(u32, i16)>,
    /// The middle one of three rows of chroma, and the shares of the three.
    pub(super) chroma: Vec<(u32, [i16; 3])>,
}

impl From<Axis> for Rows {
    fn from(axis: Axis) -> Self {
        Self {
            luma: axis.first.iter().copied().zip(axis.shares()).collect(),
            chroma: axis.first.iter().map(|first| first / 2).zip(axis.chroma()).collect(),
        }
    }
}

/// What each output column is made of.
#[derive(Debug)]
pub(super) struct Columns {
    /// Luma samples of a row of the frame.
    pub(super) width: usize,
    /// The left one of two samples of luma, and the share of the right one.
    pub(super) luma: Vec<(u32, i16)>,
    /// The first one of three samples of chroma, counted from the one before `chroma_begin`, and their shares.
    pub(super) chroma: Vec<(u32, [i16; 3])>,
    /// The first sample of chroma that is the middle one of any.
    pub(super) chroma_begin: usize,
    /// Samples from there to the last that is.
    pub(super) chroma_count: usize,
    /// The same for whole vectors, where the processor has such.
    #[cfg(target_arch = "x86_64")]
    pub(super) blocks: Option<Blocks>,
}

impl Columns {
    fn new(axis: &Axis, width: u32) -> Self {
        let middle = |first: &u32| first / 2;
        let begin = axis.first.first().map_or(0, middle);
        let count = axis.first.last().map_or(0, |last| middle(last) + 1 - begin);
        let luma: Vec<_> = axis.first.iter().copied().zip(axis.shares()).collect();
        let chroma: Vec<_> = axis.first.iter().map(|first| middle(first) - begin).zip(axis.chroma()).collect();
        Self {
            #[cfg(target_arch = "x86_64")]
            blocks: Blocks::new(&luma, &chroma, width as usize),
            width: width as usize,
            luma,
            chroma,
            chroma_begin: begin as usize,
            chroma_count: count as usize,
        }
    }

    /// `count` columns over whole rows of a width.
    #[cfg(test)]
    pub(super) fn over(count: u32, width: u32) -> Self {
        Self::new(&Axis::new(count, 0, width, width), width)
    }
}

/// How frames of one layout are written into the tensor.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) layout: FrameLayout,
    pub(super) part: PixelRect,
    pub(super) letterbox: Letterbox,
    pub(super) luma: Luma,
    pub(super) channels: [Channel; 3],
    pub(super) columns: Columns,
    pub(super) rows: Rows,
}

impl Plan {
    pub(super) fn new(layout: FrameLayout, part: PixelRect, input: &Input) -> Self {
        let FrameLayout { width, height, .. } = layout;
        let letterbox = Letterbox::place(part, (width, height), input);
        Self {
            layout,
            part,
            letterbox,
            luma: Luma::of(layout.range),
            channels: channels(input, layout.matrix, layout.range),
            columns: Columns::new(&Axis::new(letterbox.width, part.left, part.width, width), width),
            rows: Axis::new(letterbox.height, part.top, part.height, height).into(),
        }
    }
}
