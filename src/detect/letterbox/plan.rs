//! What depends on the size of a frame alone: where each output pixel is sampled.

use super::color::{Channel, channels};
use super::{Letterbox, PixelRect};
use crate::detect::manifest::Input;
use crate::frame::FrameLayout;

/// Where the output samples of one axis lie between input samples: `weight` of the way from `first` to the next.
#[derive(Debug)]
pub(super) struct Axis {
    pub(super) first: Vec<u32>,
    pub(super) weight: Vec<f32>,
}

impl Axis {
    /// `count` output samples over `size` luma samples from `start` on, in a plane of `plane_size` samples, each of which spans
    /// `span` luma samples. Pixel centres are aligned; beyond the plane's edges its last sample is repeated.
    fn new(count: u32, start: u32, size: u32, span: f32, plane_size: u32) -> Self {
        let step = size as f32 / count as f32;
        let last = (plane_size - 1) as f32;
        let at = |index: u32| ((start as f32 + (index as f32 + 0.5) * step) / span - 0.5).clamp(0.0, last);
        Self {
            first: (0..count).map(|index| at(index) as u32).collect(),
            weight: (0..count).map(|index| at(index).fract()).collect(),
        }
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
    pub(super) chroma_x: Axis,
    pub(super) chroma_y: Axis,
}

impl Plan {
    pub(super) fn new(layout: FrameLayout, part: PixelRect, input: &Input) -> Self {
        let FrameLayout { width, height, .. } = layout;
        let letterbox = Letterbox::place(part, (width, height), input);
        let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
        Self {
            layout,
            part,
            letterbox,
            channels: channels(input, layout.matrix, layout.range),
            luma_x: Axis::new(letterbox.width, part.left, part.width, 1.0, width),
            luma_y: Axis::new(letterbox.height, part.top, part.height, 1.0, height),
            chroma_x: Axis::new(letterbox.width, part.left, part.width, 2.0, chroma_width),
            chroma_y: Axis::new(letterbox.height, part.top, part.height, 2.0, chroma_height),
        }
    }
}
