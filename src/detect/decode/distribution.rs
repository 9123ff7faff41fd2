//! Boxes as distributions over the distance to each side.
//!
//! Generalized focal loss (Li et al. 2020), as NanoDet-plus (Lyu 2021) and PicoDet (Yu et al. 2021) export it: for each cell `C`
//! scores, and for each of left, top, right, bottom `R` logits whose softmax weighs the distances 0, 1, .. R-1 cells. Cells go
//! stride by stride, row by row. Either one output `[1, N, C + 4 R]`, or scores `[1, n, C]` and distances `[1, n, 4 R]` in pairs, one for all
//! cells or one for each stride, finest first.

use super::DecodeError;
use super::candidates::Candidates;
use super::rows::{Cell, fill_grid};
use super::scores::ClassScores;
use super::tensor::TensorView;

/// NanoDet-plus measures from a cell's corner, in cells.
pub(super) const CORNER: f32 = 0.0;
/// PicoDet and the older NanoDet measure from its middle.
pub(super) const MIDDLE: f32 = 0.5;

/// Fewest distances of a distribution.
const MIN_BINS: usize = 2;

pub(super) fn decode(
    outputs: &[TensorView<'_>],
    scores: &ClassScores,
    input: (u32, u32),
    origin: f32,
    grid: &mut Vec<Cell>,
    found: &mut Candidates<'_>,
) -> Result<(), DecodeError> {
    let classes = scores.count();
    let (score_outputs, distance_outputs) = match outputs {
        [_] => (outputs, outputs),
        _ => outputs.split_at(outputs.len() / 2),
    };
    let mut count = 0;
    for (score_output, distance_output) in score_outputs.iter().zip(distance_outputs) {
        let skipped = if outputs.len() == 1 { classes } else { 0 };
        count += Part::of(score_output, distance_output, classes, skipped)?.count;
    }
    fill_grid(grid, input, count).map_err(|expected| score_outputs[0].misshapen(expected))?;
    let mut cells = grid.iter();
    for (score_output, distance_output) in score_outputs.iter().zip(distance_outputs) {
        let skipped = if outputs.len() == 1 { classes } else { 0 };
        let part = Part::of(score_output, distance_output, classes, skipped)?;
        for (index, cell) in (0..part.count).zip(cells.by_ref()) {
            let row = &score_output.values[index * part.score_stride..][..classes];
            let Some((class, confidence)) = scores.best(score_output, row, 1.0)? else { continue };
            let logits = &distance_output.values[index * part.distance_stride + skipped..][..4 * part.bins];
            let bbox = bbox(logits, part.bins, *cell, origin).ok_or_else(|| distance_output.not_finite())?;
            found.push(distance_output, class, confidence, bbox)?;
        }
    }
    Ok(())
}

/// How the rows of one pair of outputs lie in memory.
struct Part {
    count: usize,
    score_stride: usize,
    distance_stride: usize,
    bins: usize,
}

impl Part {
    fn of(
        score_output: &TensorView<'_>,
        distance_output: &TensorView<'_>,
        classes: usize,
        skipped: usize,
    ) -> Result<Self, DecodeError> {
        let distance_stride = distance_output.shape.last().map_or(0, |&columns| columns.max(0) as usize);
        let logits = distance_stride.saturating_sub(skipped);
        let bins = logits / 4;
        if bins < MIN_BINS || !logits.is_multiple_of(4) {
            return Err(distance_output.misshapen(format!("[1, N, {skipped} + 4 R]")));
        }
        let score_stride = if skipped == 0 { classes } else { distance_stride };
        let count = distance_output.rows(distance_stride)?;
        if score_output.rows(score_stride)? != count {
            return Err(score_output.misshapen(format!("[1, {count}, {score_stride}]")));
        }
        Ok(Self { count, score_stride, distance_stride, bins })
    }
}

/// The corners in input pixels; none if a distance is not finite.
fn bbox(logits: &[f32], bins: usize, cell: Cell, origin: f32) -> Option<[f32; 4]> {
    let mut distances = [0f32; 4];
    for (distance, logits) in distances.iter_mut().zip(logits.chunks_exact(bins)) {
        let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let (mut weighted, mut total) = (0f32, 0f32);
        for (bin, logit) in logits.iter().enumerate() {
            let weight = (logit - highest).exp();
            weighted += weight * bin as f32;
            total += weight;
        }
        *distance = weighted / total;
    }
    let [left, top, right, bottom] = distances.map(|distance| distance * cell.stride);
    let (x, y) = ((cell.x + origin) * cell.stride, (cell.y + origin) * cell.stride);
    distances.iter().all(|distance| distance.is_finite()).then_some([x - left, y - top, x + right, y + bottom])
}
