//! Output tensors: whatever they hold, what is found lies in the frame and has a class with a name, and what is refused names the output.

use crate::mutate;
use curbwatch::detect::decode::{MAX_CANDIDATES, OutputDecoder, TensorView};
use curbwatch::detect::letterbox::Letterbox;
use curbwatch::detect::manifest::{BoxForm, BoxUnit, Boxes, Decoder, Input, Manifest, Output, Reading, Scores};
use curbwatch::detect::{Detections, nms};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_pcg::Pcg64Mcg;
use std::sync::LazyLock;

/// An input of which only the size is changed.
static INPUT: LazyLock<Input> = LazyLock::new(|| {
    let text = include_str!("../../models/yolov4-tiny-416.yaml");
    Manifest::parse(text, "built-in").expect("a built-in manifest is right").input
});

pub fn run(random: &mut Pcg64Mcg) {
    let classes = class_names(random);
    let mut input = INPUT.clone();
    (input.width, input.height) = (32 * random.random_range(1..=4), 32 * random.random_range(1..=4));
    let reading = reading(random, (input.width, input.height), classes.len());
    let threshold = [0.1, 0.25, 0.5, 0.99][random.random_range(0..4)];
    let mut decoder = OutputDecoder::new(reading.clone(), &input, &classes, threshold);
    let frame = [(640, 480), (1920, 1080), (2, 16384)][random.random_range(0..3)];
    let letterbox = Letterbox::fit(frame.0, frame.1, input.width, input.height);
    let mut found = Detections::new();
    // More than once: what one frame leaves behind must not change what the next may do.
    for _ in 0..2 {
        let tensors: Vec<(String, Vec<i64>, Vec<f32>)> = tensors(random, &reading);
        let views: Vec<TensorView<'_>> =
            tensors.iter().map(|(name, shape, values)| TensorView { name, shape, values }).collect();
        match decoder.decode(&views, &letterbox, &mut found) {
            Ok(()) => {
                nms::suppress(&mut found, 0.45);
                hold(&found, &classes, threshold);
            }
            Err(error) => {
                assert!(found.is_empty(), "nothing of a broken frame is a detection");
                let message = error.to_string();
                assert!(reading.outputs.iter().any(|output| message.contains(&output.name)), "{message}");
            }
        }
    }
}

fn hold(found: &Detections, classes: &[String], threshold: f32) {
    assert!(found.len() <= MAX_CANDIDATES);
    for detection in found {
        assert!((threshold..=1.0).contains(&detection.confidence), "{detection:?}");
        assert!(!classes[usize::from(detection.class)].is_empty(), "{detection:?}");
        let sides = <[f32; 4]>::from(detection.bbox);
        assert!(sides.iter().all(|side| (0.0..=1.0).contains(side)) && detection.bbox.area() > 0.0, "{detection:?}");
    }
}

/// One to ninety classes, some without a name.
fn class_names(random: &mut Pcg64Mcg) -> Vec<String> {
    let count = [1, 2, 3, 5, 80, 90][random.random_range(0..6)];
    (0..count)
        .map(|index| if index > 0 && random.random_bool(0.1) { String::new() } else { format!("class-{index}") })
        .collect()
}

fn reading(random: &mut Pcg64Mcg, input: (u32, u32), classes: usize) -> Reading {
    let decoder = *Decoder::ALL.choose(random).expect("there are decoders");
    let boxes = if random.random_bool(0.7) {
        decoder.default_boxes()
    } else {
        let form = [BoxForm::Xyxy, BoxForm::Cxcywh, BoxForm::Yxyx][random.random_range(0..3)];
        Boxes { form, unit: [BoxUnit::Pixels, BoxUnit::Normalised][random.random_range(0..2)] }
    };
    let scores = if random.random_bool(0.7) {
        decoder.default_scores()
    } else {
        [Scores::Probability, Scores::Logit, Scores::Softmax][random.random_range(0..3)]
    };
    let shapes = shapes(decoder, input, classes as i64).into_iter().enumerate();
    let outputs = shapes.map(|(index, shape)| Output { name: format!("out{index}"), shape }).collect();
    Reading { decoder, boxes, scores, outputs }
}

/// The shapes of a decoder's outputs.
fn shapes(decoder: Decoder, (width, height): (u32, u32), c: i64) -> Vec<Vec<i64>> {
    let level = |stride: u32| i64::from(width.div_ceil(stride) * height.div_ceil(stride));
    let levels = [8, 16, 32].map(level);
    let n = levels.iter().sum();
    let (columns, rows) = (i64::from(width / 4), i64::from(height / 4));
    match decoder {
        Decoder::YoloBoxesScores | Decoder::Ssd | Decoder::Detr => vec![vec![1, n, 4], vec![1, n, c]],
        Decoder::Yolov5 | Decoder::Yolox => vec![vec![1, n, 5 + c]],
        Decoder::Yolov8 => vec![vec![1, 4 + c, n]],
        Decoder::YoloEndToEnd => vec![vec![1, n, 6]],
        Decoder::Nanodet => vec![vec![1, n, c + 4 * 8]],
        Decoder::Picodet => {
            let of = |columns: i64| levels.map(|rows| vec![1, rows, columns]);
            [of(c), of(4 * 8)].concat()
        }
        Decoder::TfSsd => vec![vec![1, n, 4], vec![1, n], vec![1, n], vec![1]],
        Decoder::Listed => vec![vec![1, n, 4], vec![1, n], vec![1, n]],
        Decoder::Centernet | Decoder::Centerface => {
            vec![vec![1, c, rows, columns], vec![1, 2, rows, columns], vec![1, 2, rows, columns]]
        }
    }
}

/// Tensors of the reading's shapes, calm but for some places, or wild altogether; now and then of another shape.
fn tensors(random: &mut Pcg64Mcg, reading: &Reading) -> Vec<(String, Vec<i64>, Vec<f32>)> {
    let is_wild = random.random_bool(0.2);
    let ceiling = [0.05, 1.0, 30.0][random.random_range(0..3)];
    let mut tensors: Vec<_> = reading
        .outputs
        .iter()
        .map(|output| {
            let mut shape = output.shape.clone();
            if random.random_bool(0.03) {
                mutate_shape(random, &mut shape);
            }
            let count = shape.iter().product::<i64>().max(0) as usize;
            let mut values: Vec<f32> = if is_wild {
                (0..count).map(|_| mutate::number(random)).collect()
            } else {
                (0..count).map(|_| random.random_range(0.0..ceiling)).collect()
            };
            for _ in 0..random.random_range(0..8) {
                if let Some(last) = count.checked_sub(1) {
                    values[random.random_range(0..=last)] = mutate::number(random);
                }
            }
            (output.name.clone(), shape, values)
        })
        .collect();
    if tensors.len() > 1 && random.random_bool(0.02) {
        tensors.pop();
    }
    tensors
}

fn mutate_shape(random: &mut Pcg64Mcg, shape: &mut Vec<i64>) {
    match random.random_range(0..4) {
        0 => shape.push(random.random_range(0..4)),
        1 => {
            shape.pop();
        }
        2 => shape.clear(),
        _ => {
            if let Some(last) = shape.len().checked_sub(1) {
                shape[random.random_range(0..=last)] = random.random_range(0..100);
            }
        }
    }
}
