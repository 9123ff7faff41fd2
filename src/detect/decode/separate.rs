//! Boxes `[1, N, 4]` and scores `[1, N, C]` in two outputs.
//!
//! YOLOv3 and YOLOv4 (Redmon and Farhadi 2018; Bochkovskiy et al. 2020) with their anchors decoded in the graph; SSD (Liu et al.
//! 2016) with its priors decoded in the graph; DETR (Carion et al. 2020) and its descendants, whose queries are rows. A background
//! class is an unnamed class.

use super::DecodeError;
use super::candidates::Candidates;
use super::scores::ClassScores;
use super::tensor::TensorView;

pub(super) fn decode(
    boxes: &TensorView<'_>,
    class_scores: &TensorView<'_>,
    scores: &ClassScores,
    found: &mut Candidates<'_>,
) -> Result<(), DecodeError> {
    let count = boxes.rows(4)?;
    if class_scores.rows(scores.count())? != count {
        return Err(class_scores.misshapen(format!("[1, {count}, {}]", scores.count())));
    }
    let (boxes_by_row, _) = boxes.values.as_chunks::<4>();
    for (bbox, row) in boxes_by_row.iter().zip(class_scores.values.chunks_exact(scores.count())) {
        if let Some((class, confidence)) = scores.best(class_scores, row, 1.0)? {
            found.push(boxes, class, confidence, *bbox)?;
        }
    }
    Ok(())
}
