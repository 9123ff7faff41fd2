//! Where decoders put what they found: boxes are checked, brought into the frame and counted.

use super::tensor::TensorView;
use super::{DecodeError, MAX_CANDIDATES};
use crate::detect::letterbox::Letterbox;
use crate::detect::manifest::{BoxForm, BoxUnit, Boxes};
use crate::detect::{Detection, Detections};
use crate::geometry::BBoxError;

/// Input pixels by which corners may be in the wrong order: rounding, not a broken model. Such a box is empty.
const INVERSION_TOLERANCE_PX: f32 = 1.0;

/// From the four numbers of a box to input pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct BoxReader {
    form: BoxForm,
    scale: (f32, f32),
    size: (u32, u32),
}

impl BoxReader {
    pub fn new(boxes: Boxes, width: u32, height: u32) -> Self {
        let scale = match boxes.unit {
            BoxUnit::Pixels => (1.0, 1.0),
            BoxUnit::Normalised => (width as f32, height as f32),
        };
        Self { form: boxes.form, scale, size: (width, height) }
    }

    /// Width and height of the model's input in pixels.
    pub fn input_size(&self) -> (u32, u32) {
        self.size
    }

    /// Centre x, centre y, width, height in input pixels.
    fn center_and_size(&self, bbox: [f32; 4]) -> [f32; 4] {
        let corners = |left: f32, top: f32, right: f32, bottom: f32| {
            [f32::midpoint(left, right), f32::midpoint(top, bottom), right - left, bottom - top]
        };
        let [cx, cy, width, height] = match (self.form, bbox) {
            (BoxForm::Cxcywh, bbox) => bbox,
            (BoxForm::Xyxy, [left, top, right, bottom]) | (BoxForm::Yxyx, [top, left, bottom, right]) => {
                corners(left, top, right, bottom)
            }
        };
        let (x, y) = self.scale;
        [cx * x, cy * y, width * x, height * y]
    }
}

/// The candidates of one frame.
pub(super) struct Candidates<'a> {
    boxes: BoxReader,
    threshold: f32,
    letterbox: &'a Letterbox,
    out: &'a mut Detections,
}

impl<'a> Candidates<'a> {
    pub fn new(boxes: BoxReader, threshold: f32, letterbox: &'a Letterbox, out: &'a mut Detections) -> Self {
        Self { boxes, threshold, letterbox, out }
    }

    /// Confidence from which a candidate counts.
    pub fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Adds a candidate whose box is written as the manifest says. A box with nothing in the frame is passed over.
    pub fn push(
        &mut self,
        output: &TensorView<'_>,
        class: u16,
        confidence: f32,
        bbox: [f32; 4],
    ) -> Result<(), DecodeError> {
        let [cx, cy, width, height] = self.boxes.center_and_size(bbox);
        if width < -INVERSION_TOLERANCE_PX || height < -INVERSION_TOLERANCE_PX {
            return Err(DecodeError::NegativeSize { output: output.name.to_owned(), bbox });
        }
        let bbox = match self.letterbox.frame_from_model(cx, cy, width, height) {
            Ok(bbox) if bbox.area() > 0.0 => bbox,
            Ok(_) | Err(BBoxError::Inverted) => return Ok(()),
            Err(BBoxError::NotFinite) => return Err(output.not_finite()),
        };
        if self.out.len() == MAX_CANDIDATES {
            let threshold_percent = (self.threshold * 100.0) as u32;
            return Err(DecodeError::Flood { output: output.name.to_owned(), threshold_percent });
        }
        self.out.push(Detection { class, confidence, bbox });
        Ok(())
    }
}
