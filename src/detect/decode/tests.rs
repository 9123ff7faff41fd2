//! What each decoder makes of finished tensors, of broken ones and of arbitrary bits. That the layouts themselves are read right is
//! shown against an independent reference in `tests/model_layouts.rs`.

use super::*;
use crate::detect::Detection;
use crate::detect::manifest::{Color, ElementType, Layout, Output, Resize, Scores};
use proptest::prelude::*;

const CLASSES: usize = 3;
/// Side of the models' input in pixels: 4, 2 and 1 cells of the strides 8, 16 and 32 in a row.
const SIDE: u32 = 32;
const CELLS: usize = 16 + 4 + 1;
const THRESHOLD: f32 = 0.25;

fn shapes(decoder: Decoder) -> Vec<Vec<i64>> {
    let (n, c) = (CELLS as i64, CLASSES as i64);
    match decoder {
        Decoder::YoloBoxesScores | Decoder::Ssd | Decoder::Detr => vec![vec![1, n, 4], vec![1, n, c]],
        Decoder::Yolov5 | Decoder::Yolox => vec![vec![1, n, 5 + c]],
        Decoder::Yolov8 => vec![vec![1, 4 + c, n]],
        Decoder::YoloEndToEnd => vec![vec![1, n, 6]],
        Decoder::Nanodet => vec![vec![1, n, c + 4 * 8]],
        Decoder::Picodet => {
            let pair = |columns: i64| [16, 4, 1].map(|rows| vec![1, rows, columns]);
            [pair(c), pair(4 * 8)].concat()
        }
        Decoder::TfSsd => vec![vec![1, n, 4], vec![1, n], vec![1, n], vec![1]],
        Decoder::Listed => vec![vec![1, n, 4], vec![1, n], vec![1, n]],
        Decoder::Centernet | Decoder::Centerface => vec![vec![1, c, 4, 4], vec![1, 2, 4, 4], vec![1, 2, 4, 4]],
    }
}

fn reading(decoder: Decoder) -> Reading {
    let outputs = shapes(decoder).into_iter().enumerate();
    Reading {
        decoder,
        boxes: decoder.default_boxes(),
        scores: decoder.default_scores(),
        outputs: outputs.map(|(index, shape)| Output { name: format!("output{index}"), shape }).collect(),
    }
}

fn input() -> Input {
    Input {
        name: "images".to_owned(),
        width: SIDE,
        height: SIDE,
        layout: Layout::Nchw,
        dtype: ElementType::F32,
        color: Color::Rgb,
        scale: 1.0,
        mean: [0.0; 3],
        std: [1.0; 3],
        resize: Resize::Stretch,
        pad: 0,
        size_input: None,
    }
}

fn class_names() -> Vec<String> {
    ["background", "", "umbrella"].map(str::to_owned).to_vec()
}

/// Decodes tensors of the decoder's shapes; the frame is a square.
fn decode_as(reading: Reading, values: &[Vec<f32>]) -> Result<Detections, DecodeError> {
    let outputs = reading.outputs.clone();
    let views: Vec<TensorView<'_>> = outputs
        .iter()
        .zip(values)
        .map(|(output, values)| TensorView { name: &output.name, shape: &output.shape, values })
        .collect();
    let mut out = vec![Detection {
        class: 0,
        confidence: 1.0,
        bbox: crate::geometry::BBox::try_new(0.0, 0.0, 1.0, 1.0).unwrap(),
    }];
    let letterbox = Letterbox::fit(640, 640, SIDE, SIDE);
    let result = OutputDecoder::new(reading, &input(), &class_names(), THRESHOLD).decode(&views, &letterbox, &mut out);
    assert!(result.is_ok() || out.is_empty(), "nothing of a broken frame is a detection");
    result.map(|()| out)
}

fn decode(decoder: Decoder, values: &[Vec<f32>]) -> Result<Detections, DecodeError> {
    decode_as(reading(decoder), values)
}

fn zeros(decoder: Decoder) -> Vec<Vec<f32>> {
    let background = if decoder == Decoder::Detr { -9.0 } else { 0.0 };
    shapes(decoder).iter().map(|shape| vec![background; shape.iter().product::<i64>() as usize]).collect()
}

/// A tensor set in which one place holds the class 2 at 0.75 in the box 8, 8 .. 16, 24 of 32 pixels.
fn one_object(decoder: Decoder) -> Vec<Vec<f32>> {
    let mut values = zeros(decoder);
    let row = 5;
    // Of a 4x4 grid of stride 8, cell 5 has its corner at 8, 8.
    let distances = |left: usize, top: usize, right: usize, bottom: usize| {
        let mut logits = [-60f32; 32];
        for (side, bin) in [left, top, right, bottom].into_iter().enumerate() {
            logits[side * 8 + bin] = 60.0;
        }
        logits
    };
    let mut put =
        |output: usize, at: usize, numbers: &[f32]| values[output][at..at + numbers.len()].copy_from_slice(numbers);
    match decoder {
        Decoder::YoloBoxesScores => {
            put(0, row * 4, &[12.0, 16.0, 8.0, 16.0]);
            put(1, row * 3, &[0.1, 0.9, 0.75]);
        }
        Decoder::Ssd => {
            put(0, row * 4, &[0.25, 0.25, 0.5, 0.75]);
            put(1, row * 3, &[0.1, 0.9, 0.75]);
        }
        Decoder::Detr => {
            put(0, row * 4, &[0.375, 0.5, 0.25, 0.5]);
            put(1, row * 3, &[-3.0, 9.0, 3f32.ln()]);
        }
        Decoder::Yolov5 => put(0, row * 8, &[12.0, 16.0, 8.0, 16.0, 0.75, 0.1, 1.0, 1.0]),
        Decoder::Yolox => put(0, row * 8, &[0.5, 1.0, 0.0, 2f32.ln(), 0.75, 0.1, 1.0, 1.0]),
        Decoder::Yolov8 => {
            for (index, number) in [12.0, 16.0, 8.0, 16.0, 0.1, 0.9, 0.75].into_iter().enumerate() {
                put(0, index * CELLS + row, &[number]);
            }
        }
        Decoder::YoloEndToEnd => put(0, row * 6, &[8.0, 8.0, 16.0, 24.0, 0.75, 2.0]),
        Decoder::Nanodet => {
            put(0, row * 35, &[0.1, 0.9, 0.75]);
            put(0, row * 35 + 3, &distances(0, 0, 1, 2));
        }
        Decoder::Picodet => {
            put(0, row * 3, &[0.1, 0.9, 0.75]);
            // From the middle, 12, 12, half a cell to the left is half way between the bins 0 and 1.
            let mut logits = distances(0, 0, 0, 1);
            for (side, bins) in [(0, [0, 1]), (1, [0, 1]), (2, [0, 1]), (3, [1, 2])] {
                for bin in bins {
                    logits[side * 8 + bin] = 60.0;
                }
            }
            put(3, row * 32, &logits);
        }
        Decoder::TfSsd | Decoder::Listed => {
            let corners = if decoder == Decoder::TfSsd { [0.25, 0.25, 0.75, 0.5] } else { [8.0, 8.0, 16.0, 24.0] };
            put(0, row * 4, &corners);
            put(1, row, &[2.0]);
            put(2, row, &[0.75]);
            if decoder == Decoder::TfSsd {
                put(3, 0, &[6.0]);
            }
        }
        Decoder::Centernet => {
            // Cell 9 is the second of the third row: its corner is at 8, 16.
            put(0, 2 * 16 + 9, &[0.75, 0.7]);
            (0..2).for_each(|plane| put(1, plane * 16 + 9, &[[1.0, 2.0][plane]]));
            (0..2).for_each(|plane| put(2, plane * 16 + 9, &[[0.5, 0.0][plane]]));
        }
        Decoder::Centerface => {
            put(0, 2 * 16 + 9, &[0.75]);
            (0..2).for_each(|plane| put(1, plane * 16 + 9, &[[2f32.ln(), 0.0][plane]]));
            (0..2).for_each(|plane| put(2, plane * 16 + 9, &[[-0.5, 0.0][plane]]));
        }
    }
    values
}

#[test]
fn every_decoder_finds_the_one_object_and_passes_over_the_nameless_class() {
    for decoder in Decoder::ALL {
        let found = decode(decoder, &one_object(decoder)).unwrap_or_else(|error| panic!("{decoder:?}: {error}"));
        let [Detection { class, confidence, bbox }] = found[..] else { panic!("{decoder:?}: {found:?}") };
        assert_eq!(class, 2, "{decoder:?}");
        assert!((confidence - 0.75).abs() < 1e-4, "{decoder:?}: {confidence}");
        for (side, expected) in <[f32; 4]>::from(bbox).iter().zip([0.25, 0.25, 0.5, 0.75]) {
            assert!((side - expected).abs() < 1e-4, "{decoder:?}: {bbox:?}");
        }
    }
}

#[test]
fn a_softmax_is_taken_over_all_classes_with_the_background() {
    let ssd = Reading { scores: Scores::Softmax, ..reading(Decoder::Ssd) };
    let mut values = one_object(Decoder::Ssd);
    values[1][15..18].copy_from_slice(&[1.0, 1.0, 1.0 + 6f32.ln()]);
    let found = decode_as(ssd.clone(), &values).unwrap();
    assert!((found[0].confidence - 0.75).abs() < 1e-4, "6 of 8 parts: {found:?}");
    values[1][16] = 9.0;
    assert_eq!(decode_as(ssd, &values), Ok(vec![]), "the background wins");
}

/// Puts `value` in place of every number of an output that is not nought.
fn spoil(decoder: Decoder, output: usize, value: f32) -> Result<Detections, DecodeError> {
    let mut values = one_object(decoder);
    let background = zeros(decoder);
    for (number, nothing) in values[output].iter_mut().zip(&background[output]) {
        if (*number - nothing).abs() > 0.0 {
            *number = value;
        }
    }
    decode(decoder, &values)
}

#[test]
fn what_is_not_finite_is_an_error_that_names_the_output() {
    for decoder in Decoder::ALL {
        for output in 0..shapes(decoder).len() {
            // Coarser strides hold no object in this test.
            if decoder == Decoder::Picodet && output % 3 != 0 {
                continue;
            }
            for value in [f32::NAN, f32::INFINITY] {
                let Err(error) = spoil(decoder, output, value) else { panic!("{decoder:?}: {value} in {output}") };
                assert!(error.to_string().contains("output"), "{decoder:?}: {error}");
            }
        }
    }
}

#[test]
fn a_score_above_one_is_an_error_that_says_what_it_may_be() {
    for decoder in Decoder::ALL.into_iter().filter(|decoder| *decoder != Decoder::Detr) {
        let mut values = one_object(decoder);
        let scores = if matches!(decoder, Decoder::YoloBoxesScores | Decoder::Ssd) {
            1
        } else if matches!(decoder, Decoder::TfSsd | Decoder::Listed) {
            2
        } else {
            0
        };
        values[scores].iter_mut().filter(|v| (**v - 0.75).abs() < 1e-6).for_each(|v| *v = 4.0);
        let error = decode(decoder, &values).unwrap_err();
        assert!(matches!(error, DecodeError::NotProbability { .. }), "{decoder:?}: {error}");
        assert!(error.to_string().contains("scores: logit"));
    }
}

#[test]
fn negative_sizes_wrong_classes_and_wrong_numbers_are_errors() {
    let mut values = one_object(Decoder::Yolov5);
    values[0][5 * 8 + 2] = -8.0;
    assert!(matches!(decode(Decoder::Yolov5, &values), Err(DecodeError::NegativeSize { .. })));
    let mut values = one_object(Decoder::YoloEndToEnd);
    values[0][5 * 6] = 30.0;
    assert!(matches!(decode(Decoder::YoloEndToEnd, &values), Err(DecodeError::NegativeSize { .. })));
    for class in [-1.0, 3.0, 1.5, f32::NAN] {
        let mut values = one_object(Decoder::YoloEndToEnd);
        values[0][5 * 6 + 5] = class;
        assert!(matches!(decode(Decoder::YoloEndToEnd, &values), Err(DecodeError::Class { .. })), "{class}");
    }
    for count in [-1.0, 1e9, f32::NAN] {
        let mut values = one_object(Decoder::TfSsd);
        values[3][0] = count;
        assert!(matches!(decode(Decoder::TfSsd, &values), Err(DecodeError::Count { .. })), "{count}");
    }
    let mut values = one_object(Decoder::TfSsd);
    values[3][0] = 5.0;
    assert_eq!(decode(Decoder::TfSsd, &values), Ok(vec![]), "a row beyond the number is not used");
}

#[test]
fn a_shape_that_does_not_fit_is_an_error_that_says_which_would() {
    for decoder in Decoder::ALL {
        let mut other = reading(decoder);
        let shape = &mut other.outputs.last_mut().unwrap().shape;
        // Any number of places will do for YOLOv8, which are the columns.
        let dimension = if decoder == Decoder::Yolov8 { 1 } else { shape.len() - 1 };
        shape[dimension] += 1;
        let values: Vec<Vec<f32>> =
            other.outputs.iter().map(|output| vec![0.9; output.shape.iter().product::<i64>() as usize]).collect();
        let error = decode_as(other, &values).unwrap_err();
        assert!(matches!(error, DecodeError::Shape { .. }), "{decoder:?}: {error}");
    }
    // As many rows as no pyramid of an input of 32 pixels has.
    let mut other = reading(Decoder::Yolox);
    other.outputs[0].shape = vec![1, 24, 8];
    let error = decode_as(other, &[vec![0.0; 24 * 8]]).unwrap_err().to_string();
    assert!(
        error.contains("[1, 24, 8]") && error.contains("21, 22 or 23 rows") || error.contains("strides"),
        "{error}"
    );
}

#[test]
fn a_flood_of_candidates_is_an_error() {
    let count = MAX_CANDIDATES + 1;
    let mut flood = reading(Decoder::Yolov8);
    flood.outputs[0].shape = vec![1, 7, count as i64];
    let rows = [16.0, 16.0, 8.0, 8.0, 0.9, 0.0, 0.0];
    let values = rows.iter().flat_map(|&value| vec![value; count]).collect();
    assert!(matches!(decode_as(flood, &[values]), Err(DecodeError::Flood { .. })));
}

/// Numbers as hostile as they come: any bits, or numbers near those that decide.
fn any_number() -> impl Strategy<Value = f32> {
    prop_oneof![
        any::<u32>().prop_map(f32::from_bits),
        -0.5f32..1.5,
        -40f32..40.0,
        Just(f32::NAN),
        Just(f32::NEG_INFINITY),
        Just(f32::MAX),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    /// Rows that are passed over together hold nothing that a look at each would find or refuse.
    #[test]
    fn quiet_rows_hold_neither_an_object_nor_an_error(
        count in 1usize..90, unnamed in 0usize..90, logits: bool, at in 0usize..360, number in any_number(),
    ) {
        let classes: Vec<String> =
            (0..count).map(|class| if class == unnamed { String::new() } else { class.to_string() }).collect();
        let kind = if logits { Scores::Logit } else { Scores::Probability };
        let scores = ClassScores::new(kind, &classes, THRESHOLD);
        let mut rows = vec![if logits { -9.0 } else { 0.01 }; 4 * count];
        let output = TensorView { name: "scores", ..TensorView::default() };
        prop_assert!(scores.are_quiet(&rows) || unnamed < count, "nothing in them");
        let at = at % rows.len();
        rows[at] = number;
        let best: Vec<_> = rows.chunks_exact(count).map(|row| scores.best(&output, row, 1.0)).collect();
        if scores.are_quiet(&rows) {
            prop_assert!(best.iter().all(|best| *best == Ok(None)), "{best:?}");
        }
    }

    #[test]
    fn arbitrary_bits_never_become_a_detection_outside_the_frame(
        index in 0..Decoder::ALL.len(), numbers in proptest::collection::vec(any_number(), 64), softmax: bool,
    ) {
        let decoder = Decoder::ALL[index];
        let mut reading = reading(decoder);
        if softmax && matches!(decoder, Decoder::Ssd | Decoder::Detr) {
            reading.scores = Scores::Softmax;
        }
        let mut stream = numbers.iter().cycle();
        let values: Vec<Vec<f32>> = shapes(decoder)
            .iter()
            .map(|shape| stream.by_ref().take(shape.iter().product::<i64>() as usize).copied().collect())
            .collect();
        if let Ok(found) = decode_as(reading, &values) {
            for d in found {
                prop_assert!((THRESHOLD..=1.0).contains(&d.confidence), "{decoder:?} {d:?}");
                prop_assert!(d.class != 1 && (d.class as usize) < CLASSES);
                prop_assert!(d.bbox.area() > 0.0 && d.bbox.right() <= 1.0 && d.bbox.left() >= 0.0);
            }
        }
    }
}
