//! How a model's outputs are read.

use serde::{Deserialize, Serialize};

/// How the outputs are read, by the family of detectors that writes them so. `C` is the number of classes, `N` any number.
///
/// Each names its outputs in order, and how boxes and scores are written unless [`Reading::boxes`] and [`Reading::scores`]
/// say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoder {
    /// YOLOv3, YOLOv4: boxes `[1, N, 4]` or `[1, N, 1, 4]` (cxcywh, pixels), then scores `[1, N, C]`.
    YoloBoxesScores,
    /// YOLOv5, YOLOv7, also YOLOv6: `[1, N, 5 + C]`, a row is cxcywh in pixels, objectness, class scores.
    Yolov5,
    /// YOLOv8, YOLOv9, YOLO11: `[1, 4 + C, N]`, a column is cxcywh in pixels, class scores.
    Yolov8,
    /// YOLOv10, YOLO26 and exports with suppression inside: `[1, N, 6]`, a row is xyxy in pixels, score, class.
    YoloEndToEnd,
    /// YOLOX as exported, not decoded: `[1, N, 5 + C]`, a row is offsets and logarithms of the size in cells, objectness, class scores.
    Yolox,
    /// NanoDet-plus: `[1, N, C + 4 R]`, a row is class scores, then `R` logits for the distance to each side. Or the same cut
    /// into scores and distances, one pair for all strides or one for each: all scores, then all distances.
    Nanodet,
    /// PicoDet, and NanoDet before "plus": as `nanodet`, but distances are taken from the middle of a cell.
    Picodet,
    /// SSD, its boxes decoded in the graph: boxes `[1, N, 4]` (xyxy, normalised), then scores `[1, N, C]`.
    Ssd,
    /// TensorFlow's detection API, suppressed in the graph: boxes `[1, N, 4]` (yxyx, normalised), classes `[1, N]`, scores `[1, N]`,
    /// and the number of them `[1]` if it is given.
    TfSsd,
    /// CenterNet: heat map `[1, C, H, W]`, sizes `[1, 2, H, W]` (width, height), offsets `[1, 2, H, W]` (x, y), all in cells.
    Centernet,
    /// CenterFace: heat map `[1, 1, H, W]`, logarithms of sizes `[1, 2, H, W]` (height, width), offsets `[1, 2, H, W]` (y, x).
    Centerface,
    /// DETR, RT-DETR, D-FINE, RF-DETR without their last step: boxes `[1, N, 4]` (cxcywh, normalised), then logits `[1, N, C]`.
    Detr,
    /// RT-DETR and D-FINE with their last step, torchvision's detectors: boxes `[1, N, 4]` (xyxy, pixels), labels `[1, N]`,
    /// scores `[1, N]`.
    Listed,
}

impl Decoder {
    /// Every one.
    pub const ALL: [Self; 13] = [
        Self::YoloBoxesScores,
        Self::Yolov5,
        Self::Yolov8,
        Self::YoloEndToEnd,
        Self::Yolox,
        Self::Nanodet,
        Self::Picodet,
        Self::Ssd,
        Self::TfSsd,
        Self::Centernet,
        Self::Centerface,
        Self::Detr,
        Self::Listed,
    ];

    /// How boxes are written, unless the manifest says otherwise.
    #[must_use]
    pub fn default_boxes(self) -> Boxes {
        let (form, unit) = match self {
            Self::YoloBoxesScores | Self::Yolov5 | Self::Yolov8 => (BoxForm::Cxcywh, BoxUnit::Pixels),
            Self::YoloEndToEnd | Self::Listed => (BoxForm::Xyxy, BoxUnit::Pixels),
            Self::Ssd => (BoxForm::Xyxy, BoxUnit::Normalised),
            Self::TfSsd => (BoxForm::Yxyx, BoxUnit::Normalised),
            Self::Detr => (BoxForm::Cxcywh, BoxUnit::Normalised),
            // Their decoders compute the corners.
            Self::Yolox | Self::Nanodet | Self::Picodet | Self::Centernet | Self::Centerface => {
                (BoxForm::Xyxy, BoxUnit::Pixels)
            }
        };
        Boxes { form, unit }
    }

    /// What scores are, unless the manifest says otherwise.
    #[must_use]
    pub fn default_scores(self) -> Scores {
        if self == Self::Detr { Scores::Logit } else { Scores::Probability }
    }

    /// Whether the model itself gives each object once, so that nothing is left to suppress.
    #[must_use]
    pub fn is_suppressed(self) -> bool {
        matches!(self, Self::YoloEndToEnd | Self::TfSsd | Self::Detr | Self::Listed)
    }

    /// Whether a manifest may say how boxes are written: the others compute them.
    fn takes_boxes(self) -> bool {
        !matches!(self, Self::Yolox | Self::Nanodet | Self::Picodet | Self::Centernet | Self::Centerface)
    }

    /// Whether a manifest may say that scores are logits.
    fn takes_scores(self, scores: Scores) -> bool {
        match scores {
            Scores::Probability => true,
            Scores::Logit => matches!(
                self,
                Self::YoloBoxesScores | Self::Ssd | Self::Detr | Self::Nanodet | Self::Picodet | Self::Centernet
            ),
            Scores::Softmax => matches!(self, Self::Ssd | Self::Detr),
        }
    }

    /// The outputs in words, for messages.
    fn expectation(self, classes: usize) -> String {
        match self {
            Self::YoloBoxesScores | Self::Ssd | Self::Detr => format!("[1, N, 4] and [1, N, {classes}]"),
            Self::Yolov5 | Self::Yolox => format!("[1, N, {}]", 5 + classes),
            Self::Yolov8 => format!("[1, {}, N]", 4 + classes),
            Self::YoloEndToEnd => "[1, N, 6]".to_owned(),
            Self::Nanodet | Self::Picodet => {
                format!("[1, N, {classes} + 4 R], or as many [1, N, {classes}] as [1, N, 4 R]")
            }
            Self::TfSsd | Self::Listed => "[1, N, 4], [1, N], [1, N], and [1] if the number is given".to_owned(),
            Self::Centernet | Self::Centerface => format!("[1, {classes}, H, W], [1, 2, H, W] and [1, 2, H, W]"),
        }
    }

    /// Whether outputs of these shapes (-1: not known before the inference) can be this decoder's.
    fn accepts(self, shapes: &[&[i64]], classes: usize) -> bool {
        let classes = classes as i64;
        let is = |shape: &[i64], expected: &[i64]| {
            shape.len() == expected.len()
                && shape.iter().zip(expected).all(|(found, wanted)| *found == -1 || *wanted == -1 || found == wanted)
        };
        let rows_of = |shape: &[i64], columns: i64| is(shape, &[1, -1, columns]);
        let same = |a: i64, b: i64| a == -1 || b == -1 || a == b;
        let is_distances = |columns: i64| columns == -1 || (columns >= 8 && columns % 4 == 0);
        match (self, shapes) {
            (Self::YoloBoxesScores | Self::Ssd | Self::Detr, &[boxes, scores]) => {
                (rows_of(boxes, 4) || is(boxes, &[1, -1, 1, 4]))
                    && rows_of(scores, classes)
                    && same(boxes[1], scores[1])
            }
            (Self::Yolov5 | Self::Yolox, &[rows]) => rows_of(rows, 5 + classes),
            (Self::Yolov8, &[columns]) => is(columns, &[1, 4 + classes, -1]),
            (Self::YoloEndToEnd, &[rows]) => rows_of(rows, 6),
            (Self::Nanodet | Self::Picodet, &[rows]) => {
                rows_of(rows, -1) && (rows[2] == -1 || is_distances(rows[2] - classes))
            }
            (Self::Nanodet | Self::Picodet, pairs) if !pairs.is_empty() && pairs.len() % 2 == 0 => {
                let (scores, distances) = pairs.split_at(pairs.len() / 2);
                scores.iter().zip(distances).all(|(scores, distances)| {
                    rows_of(scores, classes)
                        && rows_of(distances, -1)
                        && is_distances(distances[2])
                        && same(scores[1], distances[1])
                })
            }
            (Self::TfSsd | Self::Listed, &[boxes, labels, scores] | &[boxes, labels, scores, _]) => {
                let list = |shape: &[i64]| is(shape, &[1, -1]) || is(shape, &[-1]);
                (rows_of(boxes, 4) || is(boxes, &[-1, 4])) && list(labels) && list(scores)
            }
            (Self::Centernet | Self::Centerface, &[heat, sizes, offsets]) => {
                is(heat, &[1, classes, -1, -1]) && is(sizes, &[1, 2, -1, -1]) && is(offsets, &[1, 2, -1, -1])
            }
            _ => false,
        }
    }
}

/// How the four numbers of a box are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Boxes {
    /// What the numbers are.
    pub form: BoxForm,
    /// What they count.
    pub unit: BoxUnit,
}

/// What the four numbers of a box are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BoxForm {
    /// Left, top, right, bottom.
    Xyxy,
    /// Centre x, centre y, width, height.
    Cxcywh,
    /// Top, left, bottom, right, as TensorFlow writes them.
    Yxyx,
}

/// What the numbers of a box count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BoxUnit {
    /// Pixels of the input.
    Pixels,
    /// Widths and heights of the input, 0..=1.
    Normalised,
}

/// What the numbers of a score output are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scores {
    /// Probabilities, 0..=1.
    Probability,
    /// Logits of each class by itself; the logistic function makes them probabilities.
    Logit,
    /// Logits of classes that exclude each other, one of them the background (an unnamed class); softmax makes them probabilities.
    Softmax,
}

/// One output tensor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Name of the tensor.
    pub name: String,
    /// Its dimensions; -1 for one that is known only after an inference.
    pub shape: Vec<i64>,
}

/// Everything that turns outputs into detections: a manifest's part, or what was recognised in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The family.
    pub decoder: Decoder,
    /// How boxes are written.
    pub boxes: Boxes,
    /// What scores are.
    pub scores: Scores,
    /// The outputs in the decoder's order.
    pub outputs: Vec<Output>,
}

impl Reading {
    /// What cannot be right for a model of `classes` classes.
    #[must_use]
    pub fn mistake(&self, classes: usize) -> Option<String> {
        let name = serde_json::to_value(self.decoder).expect("a name is text");
        let name = name.as_str().unwrap_or_default();
        if self.boxes != self.decoder.default_boxes() && !self.decoder.takes_boxes() {
            return Some(format!("boxes cannot be set for the decoder {name}, which computes them"));
        }
        if !self.decoder.takes_scores(self.scores) {
            return Some(format!("scores {:?} is nothing that the decoder {name} reads", self.scores));
        }
        let shapes: Vec<&[i64]> = self.outputs.iter().map(|output| output.shape.as_slice()).collect();
        (self.outputs.len() > MAX_OUTPUTS || !self.decoder.accepts(&shapes, classes)).then(|| {
            let expectation = self.decoder.expectation(classes);
            format!("outputs have the shapes {shapes:?}; with {classes} classes the decoder {name} reads {expectation}")
        })
    }
}

/// Most outputs that a decoder reads: five strides of scores and distances, with room.
pub const MAX_OUTPUTS: usize = 12;
