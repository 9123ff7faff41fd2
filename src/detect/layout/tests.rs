//! What is recognised by which signs, and what is left undecided.

use super::*;
use crate::detect::manifest::{BoxForm, BoxUnit, Decoder, Scores};

/// Cells of an input of 640 x 640 with the strides 8, 16, 32; and with 64.
const CELLS: i64 = 8400;
const CELLS_P6: i64 = 8500;

fn seen(name: &str, shape: &[i64], value: impl Fn(usize) -> f32) -> Seen {
    let count = shape.iter().product::<i64>() as usize;
    let values = (0..count).map(value).collect();
    Seen { name: name.to_owned(), declared: shape.to_vec(), shape: shape.to_vec(), values }
}

fn small(name: &str, shape: &[i64]) -> Seen {
    seen(name, shape, |_| 0.01)
}

fn decide(outputs: &[Seen], classes: Option<usize>) -> Result<Recognised, String> {
    recognise(outputs, (640, 640), classes)
}

fn decoder(outputs: &[Seen], classes: Option<usize>) -> Decoder {
    let found = decide(outputs, classes).unwrap();
    assert!(!found.reasons.is_empty());
    assert_eq!(found.reading.mistake(found.classes.or(classes).unwrap_or(80)), None, "{found:?}");
    found.reading.decoder
}

/// Boxes in rows of 4.
fn boxes(name: &str, shape: &[i64], bbox: [f32; 4]) -> Seen {
    seen(name, shape, |i| bbox[i % 4])
}

#[test]
fn one_output_is_told_by_its_shape() {
    assert_eq!(decoder(&[small("output0", &[1, 84, CELLS])], None), Decoder::Yolov8);
    assert_eq!(decoder(&[small("output0", &[1, 300, 6])], Some(80)), Decoder::YoloEndToEnd);
    assert_eq!(decoder(&[small("output", &[1, 3 * CELLS, 85])], None), Decoder::Yolov5);
    assert_eq!(decoder(&[small("output", &[1, 3 * CELLS, 6])], Some(1)), Decoder::Yolov5);
    assert_eq!(decoder(&[small("output", &[1, CELLS_P6, 80 + 32])], Some(80)), Decoder::Nanodet);
}

#[test]
fn yolox_and_yolov6_have_one_shape_and_are_told_apart_by_their_values() {
    let shape = [1, CELLS, 85];
    assert_eq!(decoder(&[seen("output", &shape, |_| 0.4)], None), Decoder::Yolox);
    let centres = seen("outputs", &shape, |i| if i % 85 == 0 { (i / 85 % 80) as f32 * 8.0 } else { 0.4 });
    assert_eq!(decoder(&[centres], None), Decoder::Yolov5);
}

#[test]
fn the_undecoded_heads_of_older_exports_are_passed_over() {
    let head = |side: i64| small("head", &[1, 3, side, side, 85]);
    let outputs = [small("output", &[1, 3 * CELLS, 85]), head(80), head(40), head(20)];
    assert_eq!(decoder(&outputs, None), Decoder::Yolov5);
    assert!(decide(&outputs[1..], None).unwrap_err().contains("detection layer"));
}

#[test]
fn boxes_and_scores_are_told_by_their_values() {
    let scores = |value: f32| seen("scores", &[1, 10, 80], move |_| value);
    let centred = boxes("boxes", &[1, 10, 4], [400.0, 300.0, 20.0, 30.0]);
    assert_eq!(decoder(&[scores(0.1), centred], None), Decoder::YoloBoxesScores);

    let yolov4 = boxes("boxes", &[1, 10, 1, 4], [0.2, 0.2, 0.3, 0.4]);
    let found = decide(&[yolov4, scores(0.1)], None).unwrap().reading;
    assert_eq!((found.decoder, found.boxes.form, found.boxes.unit), (Decoder::Ssd, BoxForm::Xyxy, BoxUnit::Normalised));

    let message = decide(&[boxes("boxes", &[1, 10, 4], [0.2, 0.2, 0.3, 0.4]), scores(-4.0)], None).unwrap_err();
    assert!(message.contains("softmax") && message.contains("logit"), "{message}");
}

#[test]
fn transformers_are_told_by_their_names_and_logits() {
    let logits = |name: &str| seen(name, &[1, 300, 91], |_| -5.0);
    let boxes_of = |name: &str| boxes(name, &[1, 300, 4], [0.8, 0.8, 0.1, 0.1]);
    for outputs in [[logits("logits"), boxes_of("pred_boxes")], [boxes_of("dets"), logits("labels")]] {
        let found = decide(&outputs, None).unwrap().reading;
        assert_eq!((found.decoder, found.boxes.form, found.scores), (Decoder::Detr, BoxForm::Cxcywh, Scores::Logit));
        assert_eq!(found.outputs[0].shape[2], 4, "boxes come first");
    }
    let processed = [small("labels", &[1, 300]), boxes("boxes", &[1, 300, 4], [1.0; 4]), small("scores", &[1, 300])];
    assert_eq!(decoder(&processed, Some(80)), Decoder::Listed);
}

#[test]
fn tensorflows_lists_are_told_by_their_names() {
    let outputs = [
        small("detection_boxes", &[1, 100, 4]),
        small("detection_classes", &[1, 100]),
        small("detection_scores", &[1, 100]),
        small("num_detections", &[1]),
    ];
    let found = decide(&outputs, Some(91)).unwrap().reading;
    assert_eq!((found.decoder, found.boxes.form, found.outputs.len()), (Decoder::TfSsd, BoxForm::Yxyx, 4));
}

#[test]
fn heat_maps_are_told_by_their_planes() {
    let map = |name: &str, planes: i64| small(name, &[1, planes, 160, 160]);
    assert_eq!(decoder(&[map("hm", 80), map("wh", 2), map("reg", 2)], None), Decoder::Centernet);
    let face = [map("537", 1), map("538", 2), map("539", 2), map("540", 10)];
    assert_eq!(decoder(&face, Some(1)), Decoder::Centerface);
    let logits = seen("hm", &[1, 80, 160, 160], |_| -3.0);
    let found = decide(&[logits, map("wh", 2), map("reg", 2)], None).unwrap().reading;
    assert_eq!(found.scores, Scores::Logit);
}

#[test]
fn distributions_in_pairs_are_put_in_order() {
    let pair = |rows: i64, columns: i64| small(&format!("{rows}x{columns}"), &[1, rows, columns]);
    let outputs = [
        pair(100, 80),
        pair(6400, 80),
        pair(1600, 80),
        pair(400, 80),
        pair(400, 32),
        pair(100, 32),
        pair(6400, 32),
        pair(1600, 32),
    ];
    let found = decide(&outputs, Some(80)).unwrap().reading;
    let names: Vec<&str> = found.outputs.iter().map(|output| output.name.as_str()).collect();
    assert_eq!(found.decoder, Decoder::Picodet);
    assert_eq!(names, ["6400x80", "1600x80", "400x80", "100x80", "6400x32", "1600x32", "400x32", "100x32"]);
    assert!(decide(&outputs, None).unwrap_err().contains("unless the classes are named"));
}

#[test]
fn a_number_of_classes_that_does_not_fit_is_named() {
    let message = decide(&[small("output0", &[1, 84, CELLS])], Some(3)).unwrap_err();
    assert!(
        message.contains("\"output0\" [1, 84, 8400]") && message.contains("80 classes, and 3 are named"),
        "{message}"
    );
}

#[test]
fn what_fits_nothing_is_left_undecided() {
    for outputs in [vec![], vec![small("logits", &[1, 1000])], vec![small("output", &[1, 5000, 85])]] {
        let message = decide(&outputs, None).unwrap_err();
        assert!(outputs.is_empty() || message.contains(&outputs[0].name), "{message}");
    }
}

/// Found by the fuzzing of layouts.
#[test]
fn outputs_without_a_place_for_anything_are_left_undecided() {
    let nothing = [small("scores", &[]), small("boxes", &[]), small("labels", &[])];
    assert!(decide(&nothing, Some(0)).is_err());
    for shape in [[1, CELLS, 0], [1, CELLS, 4], [1, 0, 0], [1, 3, CELLS]] {
        for classes in [None, Some(0), Some(3)] {
            assert!(decide(&[small("output", &shape)], classes).is_err(), "{shape:?} {classes:?}");
        }
    }
}
