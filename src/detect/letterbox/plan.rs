//! What depends on the size of a frame alone: where each output pixel is sampled.

use super::color::{Channel, channels};
use super::{Letterbox, PixelRect};
use crate::detect::manifest::Input;
use crate::frame::FrameLayout;

/// Where the output samples of one axis lie between luma samples: `weight` of the way from `first` to the next.
#[derive(Debug)]
pub(super) struct Axis {
    pub(super) first: Vec<u32>,
    pub(super) weight: Vec<f32>,
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
}

/// Which chroma samples an output sample is made of along one axis: three neighbours, weighed.
///
/// Chroma has half of luma's size. It is brought to it as JPEG decoders bring it there, and so the pictures on which models are trained: a
/// luma sample has three quarters of the chroma sample nearest to it and one quarter of the next ("fancy upsampling" of libjpeg). Between
/// two luma samples both are interpolated like luma, and what comes of it takes three chroma samples at most.
#[derive(Debug)]
pub(super) struct ChromaAxis {
    /// The middle one.
    pub(super) middle: Vec<u32>,
    /// Weight of the one before; the middle one has what is left.
    pub(super) before: Vec<f32>,
    /// Weight of the one after.
    pub(super) after: Vec<f32>,
}

impl ChromaAxis {
    fn of(luma: &Axis) -> Self {
        // Of the two samples of luma that share one of chroma the first has a quarter of the chroma before, the second of that after.
        let weights = |(first, weight): (&u32, &f32)| {
            if first.is_multiple_of(2) { (0.25 * (1.0 - weight), 0.25 * weight) } else { (0.0, 0.25 + 0.5 * weight) }
        };
        let (before, after) = luma.first.iter().zip(&luma.weight).map(weights).unzip();
        Self { middle: luma.first.iter().map(|first| first / 2).collect(), before, after }
    }
}

/// How frames of one layout are written into the tensor.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) layout: FrameLayout,
    pub(super) part: PixelRect,
    pub(super) letterbox: Letterbox,
    pub(super) channels: [Channel; 3],
    pub(super) luma_x: Axis,
    pub(super) luma_y: Axis,
    pub(super) chroma_x: ChromaAxis,
    pub(super) chroma_y: ChromaAxis,
}

impl Plan {
    pub(super) fn new(layout: FrameLayout, part: PixelRect, input: &Input) -> Self {
        let FrameLayout { width, height, .. } = layout;
        let letterbox = Letterbox::place(part, (width, height), input);
        let luma_x = Axis::new(letterbox.width, part.left, part.width, width);
        let luma_y = Axis::new(letterbox.height, part.top, part.height, height);
        Self {
            layout,
            part,
            letterbox,
            channels: channels(input, layout.matrix, layout.range),
            chroma_x: ChromaAxis::of(&luma_x),
            chroma_y: ChromaAxis::of(&luma_y),
            luma_x,
            luma_y,
        }
    }
}
