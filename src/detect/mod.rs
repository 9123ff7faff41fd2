//! From a frame to detections: letterbox, inference, output decoding, non-maximum suppression.
//!
//! In: [`Frame`](crate::frame::Frame). Out: [`Detections`]. Must not know a rule.

pub mod manifest;

use crate::geometry::BBox;

/// One object that the model saw in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Index into the model's class names.
    pub class: u16,
    /// The model's score, 0..=1.
    pub confidence: f32,
    /// Where, 0..1 in the frame.
    pub bbox: BBox,
}

/// All objects of one frame, best first.
pub type Detections = Vec<Detection>;
