//! One fused pass from decoded planes to the model's input: sample, convert to RGB, scale, and write the tensor's elements.
//!
//! In: a [`Frame`](crate::frame::Frame) (I420 or NV12, any stride, either range and matrix) and the part of it that is inferred.
//! Out: the input tensor that a manifest describes, written where ONNX Runtime reads it, and how the part lies in it
//! ([`Letterbox`]). Bilinear with two taps per axis and pixel centres aligned, like OpenCV's `INTER_LINEAR`; chroma lies between
//! two luma samples in both directions.
//!
//! A model was trained on pictures that a JPEG decoder had brought to full colour before they were scaled. So here: the four pixels
//! that are interpolated get chroma by a decoder's weights ([`plan`]), and each is cut to colours that can be shown before, not after.
//! Interpolating first moves confidences by up to 0.04 on footage with saturated colours, one chroma for the four by up to 0.02
//! (`docs/models.md`).
//!
//! Within 1/255 of the same definition in double precision. No allocation per frame: what depends on a frame's size alone is
//! computed once and kept.

mod chroma;
mod color;
mod pass;
mod plan;
mod row;
mod writer;

pub use pass::Element;
pub use writer::InputWriter;

use super::manifest::{Input, Resize};
use crate::geometry::{BBox, BBoxError};

/// A part of a frame in pixels, inside of it; `left` and `top` are even, so that it begins with a chroma sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelRect {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

impl PixelRect {
    /// A whole frame.
    #[must_use]
    pub fn whole(width: u32, height: u32) -> Self {
        Self { left: 0, top: 0, width, height }
    }

    /// The pixels that a box covers, if only in part; at least two by two. `width` and `height` are the frame's, at least 2.
    #[must_use]
    pub fn covering(bbox: &BBox, width: u32, height: u32) -> Self {
        let axis = |from: f32, to: f32, size: u32| {
            let first = ((from * size as f32) as u32).min(size - 2) & !1;
            let end = ((to * size as f32).ceil() as u32).clamp(first + 2, size);
            (first, end - first)
        };
        let ((left, width), (top, height)) =
            (axis(bbox.left(), bbox.right(), width), axis(bbox.top(), bbox.bottom(), height));
        Self { left, top, width, height }
    }
}

/// How a part of a frame lies in the model's input, in pixels of the input; the rest of the input is border.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Letterbox {
    frame_width: u32,
    frame_height: u32,
    part: PixelRect,
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

impl Letterbox {
    /// Fits a whole frame into a model's input, both in pixels: scaled evenly and centred.
    #[must_use]
    pub fn fit(frame_width: u32, frame_height: u32, model_width: u32, model_height: u32) -> Self {
        let part = PixelRect::whole(frame_width, frame_height);
        Self::fit_part(part, (frame_width, frame_height), (model_width, model_height))
    }

    /// Places a part of a frame of that size in the input as the manifest wants it.
    #[must_use]
    pub fn place(part: PixelRect, frame_size: (u32, u32), input: &Input) -> Self {
        let model = (input.width, input.height);
        match input.resize {
            Resize::Letterbox => Self::fit_part(part, frame_size, model),
            Resize::Stretch => Self {
                frame_width: frame_size.0,
                frame_height: frame_size.1,
                part,
                left: 0,
                top: 0,
                width: model.0,
                height: model.1,
            },
        }
    }

    fn fit_part(part: PixelRect, frame: (u32, u32), model: (u32, u32)) -> Self {
        let scale = (model.0 as f32 / part.width as f32).min(model.1 as f32 / part.height as f32);
        let width = ((part.width as f32 * scale).round() as u32).clamp(1, model.0);
        let height = ((part.height as f32 * scale).round() as u32).clamp(1, model.1);
        let (left, top) = ((model.0 - width) / 2, (model.1 - height) / 2);
        Self { frame_width: frame.0, frame_height: frame.1, part, left, top, width, height }
    }

    /// Turns a box in model pixels (centre and size) into one in the frame, 0..1, clipped to the part that the model saw.
    pub fn frame_from_model(&self, cx: f32, cy: f32, width: f32, height: f32) -> Result<BBox, BBoxError> {
        let axis = |v: f32, pad: u32, inner: u32, first: u32, size: u32, frame: u32| {
            let share = ((v - pad as f32) / inner as f32).clamp(0.0, 1.0);
            (first as f32 + share * size as f32) / frame as f32
        };
        let x = |v: f32| axis(v, self.left, self.width, self.part.left, self.part.width, self.frame_width);
        let y = |v: f32| axis(v, self.top, self.height, self.part.top, self.part.height, self.frame_height);
        let is_inverted = width < 0.0 || height < 0.0;
        if is_inverted {
            return Err(BBoxError::Inverted);
        }
        if ![cx, cy, width, height].iter().all(|v| v.is_finite()) {
            return Err(BBoxError::NotFinite);
        }
        BBox::try_new(x(cx - width / 2.0), y(cy - height / 2.0), x(cx + width / 2.0), y(cy + height / 2.0))
    }

    /// Whether another leaves the same border.
    fn has_border_of(&self, other: &Self) -> bool {
        (self.left, self.top, self.width, self.height) == (other.left, other.top, other.width, other.height)
    }
}

#[cfg(test)]
mod tests;
