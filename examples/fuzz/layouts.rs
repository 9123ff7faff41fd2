//! What outputs of any names, shapes and values are recognised as: something that can be decoded, or nothing.

use crate::mutate;
use curbwatch::detect::layout::{Seen, recognise};
use rand::Rng;
use rand_pcg::Pcg64Mcg;

const NAMES: [&str; 16] = [
    "boxes",
    "scores",
    "labels",
    "logits",
    "pred_boxes",
    "output",
    "output0",
    "detection_boxes",
    "detection_classes",
    "detection_scores",
    "num_detections",
    "hm",
    "wh",
    "reg",
    "cls_stride_8",
    "dis_stride_8",
];
/// Most numbers of one output.
const MOST_VALUES: i64 = 20_000;

pub fn run(random: &mut Pcg64Mcg) {
    let seen: Vec<Seen> = (0..random.random_range(0..=12)).map(|_| output(random)).collect();
    let input = [(64, 64), (160, 96), (416, 416)][random.random_range(0..3)];
    let classes = random.random_bool(0.5).then(|| random.random_range(0..100));
    let Ok(found) = recognise(&seen, input, classes) else { return };
    assert!(!found.reasons.is_empty(), "a decision without a reason: {found:?}");
    for output in &found.reading.outputs {
        assert!(seen.iter().any(|seen| seen.name == output.name), "{found:?}");
    }
    if let Some(classes) = found.classes {
        assert_eq!(found.reading.mistake(classes), None, "{found:?}");
    }
}

fn output(random: &mut Pcg64Mcg) -> Seen {
    let mut shape: Vec<i64> = (0..random.random_range(0..=4)).map(|_| side(random)).collect();
    if random.random_bool(0.8) && !shape.is_empty() {
        shape[0] = 1;
    }
    while shape.iter().product::<i64>() > MOST_VALUES {
        let longest = shape.iter_mut().max().expect("a product of something");
        *longest /= 2;
    }
    let count = shape.iter().product::<i64>() as usize;
    let is_calm = random.random_bool(0.5);
    let mut value = || if is_calm { random.random_range(0.0..1.0) } else { mutate::number(random) };
    let values = (0..count).map(|_| value()).collect();
    let declared = shape.iter().map(|&side| if random.random_bool(0.2) { -1 } else { side }).collect();
    Seen { name: NAMES[random.random_range(0..NAMES.len())].to_owned(), declared, shape, values }
}

/// Sides that families of detectors have, and any others.
fn side(random: &mut Pcg64Mcg) -> i64 {
    const KNOWN: [i64; 14] = [1, 2, 4, 5, 6, 9, 15, 32, 80, 84, 85, 300, 315, 3549];
    if random.random_bool(0.7) { KNOWN[random.random_range(0..KNOWN.len())] } else { random.random_range(0..200) }
}
