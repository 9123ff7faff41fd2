//! Boxes `[1, N, 4]` and scores `[1, N, C]` in two outputs.
//!
//! YOLOv3 and YOLOv4 (Redmon and Farhadi 2018; Bochkovskiy et al. 2020) with their anchors decoded in the graph; SSD (Liu et al.
//! 2016) with its priors decoded in the graph; DETR (Carion et al. 2020) and its descendants, whose queries are rows. A background
//! class is an unnamed class.
//!
//! Nearly all of the time goes into finding the best score of each row. On x86-64 that is compiled a second time for AVX2.

#![expect(clippy::inline_always, reason = "what is called by the version for AVX2 must be compiled into it")]

use super::DecodeError;
use super::candidates::Candidates;
use super::scores::ClassScores;
use super::tensor::TensorView;

/// Rows whose scores are looked at together first.
const ROWS: usize = 4;

pub(super) fn decode(
    boxes: &TensorView<'_>,
    class_scores: &TensorView<'_>,
    scores: &ClassScores,
    found: &mut Candidates<'_>,
) -> Result<(), DecodeError> {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, asked just above.
        return unsafe { decode_avx2(boxes, class_scores, scores, found) };
    }
    decode_rows(boxes, class_scores, scores, found)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn decode_avx2(
    boxes: &TensorView<'_>,
    class_scores: &TensorView<'_>,
    scores: &ClassScores,
    found: &mut Candidates<'_>,
) -> Result<(), DecodeError> {
    decode_rows(boxes, class_scores, scores, found)
}

#[inline(always)]
fn decode_rows(
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
    let classes = scores.count();
    for (boxes_of_some, some) in boxes_by_row.chunks(ROWS).zip(class_scores.values.chunks(ROWS * classes)) {
        // Almost all end here.
        if scores.are_quiet(some) {
            continue;
        }
        for (bbox, row) in boxes_of_some.iter().zip(some.chunks_exact(classes)) {
            if let Some((class, confidence)) = scores.best(class_scores, row, 1.0)? {
                found.push(boxes, class, confidence, *bbox)?;
            }
        }
    }
    Ok(())
}
