//! Output tensors → detections.
//!
//! In: the outputs of one inference. Out: [`Detections`] in the frame, not yet suppressed. One file per way of writing them.
//!
//! A model's output is input from outside. A shape that does not fit, a value that is not finite, a score above 1, a box of
//! negative size, an unknown class or a flood of candidates is an error that names the output; then nothing of the frame is a
//! detection. A box counts for its best class only. Nothing is allocated once the buffers have grown.
//!
//! Boxes are looked at only where a score reaches the threshold: everything else of a tensor may be noise.

mod candidates;
mod columns;
mod distribution;
mod heat_map;
mod listed;
mod rows;
mod scores;
mod separate;
mod tensor;
#[cfg(test)]
mod tests;

pub(super) use rows::pyramid_cells;
pub use tensor::{Converted, TensorView};

use super::Detections;
use super::letterbox::Letterbox;
use super::manifest::{Decoder, Input, Reading};
use candidates::{BoxReader, Candidates};
use scores::ClassScores;

/// Most candidates kept before suppression; beyond it, the model is answering noise.
pub const MAX_CANDIDATES: usize = 4096;

/// Why output tensors cannot be decoded. Each names the output.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum DecodeError {
    /// The dimensions are not the decoder's, or not those of the model's classes or input.
    #[error("output \"{output}\" has the shape {found:?}, it should be {expected}")]
    Shape {
        /// The output.
        output: String,
        /// Its dimensions.
        found: Vec<i64>,
        /// Those that fit.
        expected: String,
    },
    /// The inference did not give it.
    #[error("output \"{output}\" is missing")]
    Missing {
        /// The output.
        output: String,
    },
    /// The elements are neither floating point numbers nor integers.
    #[error("output \"{output}\" holds {found}, only f32, f16, i32 and i64 are read")]
    ElementType {
        /// The output.
        output: String,
        /// The type of its elements.
        found: String,
    },
    /// A value that is not a number.
    #[error("output \"{output}\" holds values that are not finite")]
    NotFinite {
        /// The output.
        output: String,
    },
    /// A score outside 0..=1.
    #[error(
        "output \"{output}\" holds the score {score}, which is no probability (if these are logits, the manifest must say `scores: logit`)"
    )]
    NotProbability {
        /// The output.
        output: String,
        /// The score.
        score: f32,
    },
    /// A box whose right is left of its left, or its bottom above its top.
    #[error("output \"{output}\" holds a box of negative size, {bbox:?} as the model writes it")]
    NegativeSize {
        /// The output.
        output: String,
        /// The numbers of the box.
        bbox: [f32; 4],
    },
    /// A class that the model does not have.
    #[error("output \"{output}\" holds the class {class}, the manifest names {classes} (from 0)")]
    Class {
        /// The output.
        output: String,
        /// What stands for the class.
        class: f32,
        /// Classes of the manifest.
        classes: usize,
    },
    /// A number of boxes that cannot be.
    #[error("output \"{output}\" says that there are {found} boxes, there is room for {most}")]
    Count {
        /// The output.
        output: String,
        /// Boxes by the output.
        found: f32,
        /// Boxes that the other outputs hold.
        most: usize,
    },
    /// More candidates above the threshold than any picture holds.
    #[error("output \"{output}\" has more than {MAX_CANDIDATES} scores above {threshold_percent} %")]
    Flood {
        /// The output.
        output: String,
        /// The threshold in per cent.
        threshold_percent: u32,
    },
}

/// Reads the outputs of one model; keeps the buffers.
#[derive(Debug)]
pub struct OutputDecoder {
    reading: Reading,
    scores: ClassScores,
    boxes: BoxReader,
    threshold: f32,
    columns: columns::Buffers,
    grid: Vec<rows::Cell>,
}

impl OutputDecoder {
    /// For a model whose outputs are `reading`, whose input is `input` and whose classes are `classes` (an empty name: never
    /// reported). Nothing below `threshold` is decoded.
    #[must_use]
    pub fn new(reading: Reading, input: &Input, classes: &[String], threshold: f32) -> Self {
        let scores = ClassScores::new(reading.scores, classes, threshold);
        let boxes = BoxReader::new(reading.boxes, input.width, input.height);
        Self { reading, scores, boxes, threshold, columns: columns::Buffers::default(), grid: Vec::new() }
    }

    /// Names of the outputs that [`Self::decode`] wants, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.reading.outputs.iter().map(|output| output.name.as_str())
    }

    /// Decodes the outputs, in the order of [`Reading::outputs`], into `out`, which is emptied first and stays empty if there is
    /// an error.
    pub fn decode(
        &mut self,
        outputs: &[TensorView<'_>],
        letterbox: &Letterbox,
        out: &mut Detections,
    ) -> Result<(), DecodeError> {
        out.clear();
        let mut found = Candidates::new(self.boxes, self.threshold, letterbox, out);
        let (scores, size) = (&self.scores, self.boxes.input_size());
        let result = match (self.reading.decoder, outputs) {
            (Decoder::YoloBoxesScores | Decoder::Ssd | Decoder::Detr, [boxes, class_scores]) => {
                separate::decode(boxes, class_scores, scores, &mut found)
            }
            (Decoder::Yolov5, [rows]) => rows::decode(rows, scores, &mut found),
            (Decoder::Yolox, [rows]) => rows::decode_grid(rows, scores, size, &mut self.grid, &mut found),
            (Decoder::Yolov8, [columns]) => columns::decode(columns, scores, &mut self.columns, &mut found),
            (Decoder::YoloEndToEnd, [rows]) => listed::decode_rows(rows, scores, &mut found),
            (Decoder::TfSsd | Decoder::Listed, [boxes, labels, list_scores, count @ ..]) => {
                listed::decode(boxes, labels, list_scores, count.first(), scores, &mut found)
            }
            (Decoder::Nanodet, outputs) => {
                distribution::decode(outputs, scores, size, distribution::CORNER, &mut self.grid, &mut found)
            }
            (Decoder::Picodet, outputs) => {
                distribution::decode(outputs, scores, size, distribution::MIDDLE, &mut self.grid, &mut found)
            }
            (Decoder::Centernet, [heat, sizes, offsets]) => {
                heat_map::decode_centernet(heat, sizes, offsets, scores, size, &mut found)
            }
            (Decoder::Centerface, [heat, sizes, offsets]) => {
                heat_map::decode_centerface(heat, sizes, offsets, scores, size, &mut found)
            }
            (_, outputs) => Err(DecodeError::Shape {
                output: outputs.first().map_or_else(String::new, |output| output.name.to_owned()),
                found: vec![outputs.len() as i64],
                expected: "one of the number of outputs that the decoder reads".to_owned(),
            }),
        };
        if result.is_err() {
            out.clear();
        }
        result
    }
}
