//! Lists of detections that the graph itself has chosen.
//!
//! `[1, N, 6]` with a row of box, score and class: YOLOv10 (Wang et al. 2024), YOLO26, and exports with suppression inside. Three lists of
//! boxes, classes and scores, and perhaps the number of them that count: TensorFlow's detection API
//! (`detection_boxes`, `detection_classes`, `detection_scores`, `num_detections`), RT-DETR and D-FINE with their last step (`boxes`,
//! `labels`, `scores`), torchvision. Rows that are not used have the score 0.

use super::DecodeError;
use super::candidates::Candidates;
use super::scores::{ClassScores, probability};
use super::tensor::TensorView;

pub(super) fn decode_rows(
    output: &TensorView<'_>,
    scores: &ClassScores,
    found: &mut Candidates<'_>,
) -> Result<(), DecodeError> {
    output.rows(6)?;
    let (rows, _) = output.values.as_chunks::<6>();
    for &[a, b, c, d, score, class] in rows {
        // Written so that NaN goes on.
        if score < found.threshold() {
            continue;
        }
        let confidence = probability(output, score)?;
        if let Some(class) = scores.class_of(output, class)? {
            found.push(output, class, confidence, [a, b, c, d])?;
        }
    }
    Ok(())
}

pub(super) fn decode(
    boxes: &TensorView<'_>,
    labels: &TensorView<'_>,
    list_scores: &TensorView<'_>,
    count: Option<&TensorView<'_>>,
    scores: &ClassScores,
    found: &mut Candidates<'_>,
) -> Result<(), DecodeError> {
    let room = boxes.rows(4)?;
    let (boxes_by_row, _) = boxes.values.as_chunks::<4>();
    let rows = boxes_by_row.iter().zip(labels.list(room)?).zip(list_scores.list(room)?);
    for ((bbox, &label), &score) in rows.take(used(count, room)?) {
        if score < found.threshold() {
            continue;
        }
        let confidence = probability(list_scores, score)?;
        if let Some(class) = scores.class_of(labels, label)? {
            found.push(boxes, class, confidence, *bbox)?;
        }
    }
    Ok(())
}

/// How many of `room` rows are used.
fn used(count: Option<&TensorView<'_>>, room: usize) -> Result<usize, DecodeError> {
    let Some(output) = count else { return Ok(room) };
    match *output.values {
        [number] if (0.0..=room as f32).contains(&number) => Ok(number as usize),
        [found] => Err(DecodeError::Count { output: output.name.to_owned(), found, most: room }),
        _ => Err(output.misshapen("[1]".to_owned())),
    }
}
