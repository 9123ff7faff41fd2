//! Outputs of 8400 boxes and 80 classes into detections, suppressed.

use crate::measure::{Bar, Figure, thread_cpu_ms};
use curbwatch::detect::decode::{OutputDecoder, TensorView};
use curbwatch::detect::letterbox::Letterbox;
use curbwatch::detect::manifest::{Decoder, Manifest, Output, Reading};
use curbwatch::detect::{Detections, FAINT_CONFIDENCE, nms};
use curbwatch::install;

const BOXES: usize = 8400;
const CLASSES: usize = 80;
const SIDE: u32 = 640;
/// Every so many boxes one is above the threshold, beside others of the same object.
const SEEN_EVERY: usize = 60;
const TURNS: usize = 200;
/// CPU-ms that this may take.
const ALLOWED_MS: f64 = 0.3;

/// CPU-ms of decoding and suppressing, for a layout whose rows are boxes and for one whose columns are.
pub fn within_allowance() -> Vec<Figure> {
    let manifest = install::manifest("yolov4-tiny-416").expect("a built-in manifest is right");
    let (boxes, scores) = (boxes(), scores());
    let columns = transposed(&boxes, 4).into_iter().chain(transposed(&scores, CLASSES)).collect::<Vec<_>>();
    let (n, c) = (BOXES as i64, CLASSES as i64);
    vec![
        figure(&manifest, Decoder::YoloBoxesScores, &[(vec![1, n, 4], &boxes), (vec![1, n, c], &scores)]),
        figure(&manifest, Decoder::Yolov8, &[(vec![1, 4 + c, n], &columns)]),
    ]
}

fn figure(manifest: &Manifest, decoder: Decoder, tensors: &[(Vec<i64>, &[f32])]) -> Figure {
    let outputs: Vec<Output> = tensors
        .iter()
        .enumerate()
        .map(|(index, (shape, _))| Output { name: index.to_string(), shape: shape.clone() })
        .collect();
    let views: Vec<TensorView<'_>> = outputs
        .iter()
        .zip(tensors)
        .map(|(output, (shape, values))| TensorView { name: &output.name, shape, values })
        .collect();
    let (boxes, scores) = (decoder.default_boxes(), decoder.default_scores());
    let reading = Reading { decoder, boxes, scores, outputs: outputs.clone() };
    let mut input = manifest.input.clone();
    (input.width, input.height) = (SIDE, SIDE);
    let mut decoder_of_outputs = OutputDecoder::new(reading, &input, &manifest.classes, FAINT_CONFIDENCE);
    let letterbox = Letterbox::fit(1920, 1080, SIDE, SIDE);
    let (mut found, mut times) = (Detections::new(), Vec::new());
    for _ in 0..TURNS {
        let before = thread_cpu_ms();
        decoder_of_outputs.decode(&views, &letterbox, &mut found).expect("tensors of that layout");
        nms::suppress(&mut found, manifest.thresholds.nms_iou);
        times.push(thread_cpu_ms() - before);
    }
    assert!((20..BOXES / SEEN_EVERY).contains(&found.len()), "{} are found", found.len());
    // The allowance is an absolute time: the turn that other work disturbed least counts.
    let value = times.iter().copied().fold(f64::INFINITY, f64::min);
    Figure {
        name: format!("decode_8400x80_{}", if matches!(decoder, Decoder::Yolov8) { "columns" } else { "rows" }),
        unit: "cpu_ms_per_frame",
        value,
        floor: ALLOWED_MS,
        ratio: value / ALLOWED_MS,
        bar: Bar::AtMost(1.0),
    }
}

/// Boxes in input pixels; neighbours in threes are nearly the same.
fn boxes() -> Vec<f32> {
    (0..BOXES)
        .flat_map(|index| {
            let (object, jitter) = (index / 3, (index % 3) as f32);
            let at = |step: usize| 20.0 + ((object * step) % 600) as f32 + jitter;
            [at(37), at(23), 40.0, 60.0]
        })
        .collect()
}

/// Scores as a sigmoid leaves them: nearly nothing almost everywhere.
fn scores() -> Vec<f32> {
    let mut scores: Vec<f32> = (0..BOXES * CLASSES).map(|at| (at % 97) as f32 * 1e-5).collect();
    for first in (0..BOXES - 3).step_by(SEEN_EVERY) {
        for index in first..first + 3 {
            scores[index * CLASSES + index / SEEN_EVERY % CLASSES] = 0.4 + (index % 50) as f32 / 100.0;
        }
    }
    scores
}

/// Rows of `columns` values into columns of rows.
fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| values.iter().skip(column).step_by(columns).copied()).collect()
}
