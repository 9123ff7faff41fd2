//! One row for each place, `[1, N, 5 + C]`: box, objectness, class scores.
//!
//! YOLOv5, YOLOv7 (Wang et al. 2022) and YOLOv6 write finished boxes. YOLOX (Ge et al. 2021) writes them as its head does: the centre's
//! offset from its cell and the logarithm of the size, both in cells; cells go stride by stride, row by row.

use super::DecodeError;
use super::candidates::Candidates;
use super::scores::{ClassScores, probability};
use super::tensor::TensorView;

/// The strides of a feature pyramid, P3 to P7; a model uses the first three, four or five.
const STRIDES: [u32; 5] = [8, 16, 32, 64, 128];

/// One cell of a feature pyramid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cell {
    /// Column and row.
    pub x: f32,
    /// See `x`.
    pub y: f32,
    /// Input pixels per cell.
    pub stride: f32,
}

pub(super) fn decode(
    output: &TensorView<'_>,
    scores: &ClassScores,
    found: &mut Candidates<'_>,
) -> Result<(), DecodeError> {
    for_each_candidate(output, scores, found, |_, bbox| bbox)
}

/// As [`decode`] for YOLOX. `grid` is filled at the first call.
pub(super) fn decode_grid(
    output: &TensorView<'_>,
    scores: &ClassScores,
    input: (u32, u32),
    grid: &mut Vec<Cell>,
    found: &mut Candidates<'_>,
) -> Result<(), DecodeError> {
    let count = output.rows(5 + scores.count())?;
    fill_grid(grid, input, count).map_err(|expected| output.misshapen(expected))?;
    for_each_candidate(output, scores, found, |row, [x, y, width, height]| {
        let cell = grid[row];
        let (cx, cy) = ((x + cell.x) * cell.stride, (y + cell.y) * cell.stride);
        let (width, height) = (width.exp() * cell.stride, height.exp() * cell.stride);
        [cx - width / 2.0, cy - height / 2.0, cx + width / 2.0, cy + height / 2.0]
    })
}

fn for_each_candidate(
    output: &TensorView<'_>,
    scores: &ClassScores,
    found: &mut Candidates<'_>,
    bbox_of: impl Fn(usize, [f32; 4]) -> [f32; 4],
) -> Result<(), DecodeError> {
    let columns = 5 + scores.count();
    output.rows(columns)?;
    for (index, row) in output.values.chunks_exact(columns).enumerate() {
        let &[x, y, width, height, objectness, ref classes @ ..] = row else { continue };
        // Almost every row ends here, its classes unread. Written so that NaN does not.
        if objectness < found.threshold() {
            continue;
        }
        let objectness = probability(output, objectness)?;
        if let Some((class, confidence)) = scores.best(output, classes, objectness)? {
            found.push(output, class, confidence, bbox_of(index, [x, y, width, height]))?;
        }
    }
    Ok(())
}

/// Makes `grid` the cells of a pyramid over an input of width × height pixels that has `count` cells; says what would fit if none has.
pub(super) fn fill_grid(grid: &mut Vec<Cell>, (width, height): (u32, u32), count: usize) -> Result<(), String> {
    if grid.len() == count && count > 0 {
        return Ok(());
    }
    grid.clear();
    let total = |levels: usize| pyramid_cells((width, height), levels);
    let Some(levels) = (3..=STRIDES.len()).find(|&levels| total(levels) == count) else {
        return Err(format!(
            "{}, {} or {} rows for an input of {width}x{height} (strides 8 to 32, 64 or 128)",
            total(3),
            total(4),
            total(5)
        ));
    };
    for stride in &STRIDES[..levels] {
        for y in 0..height.div_ceil(*stride) {
            let row = (0..width.div_ceil(*stride)).map(|x| Cell { x: x as f32, y: y as f32, stride: *stride as f32 });
            grid.extend(row);
        }
    }
    Ok(())
}

/// Cells of the first `levels` (at most 5) levels of a feature pyramid over an input of width × height pixels.
pub(in crate::detect) fn pyramid_cells((width, height): (u32, u32), levels: usize) -> usize {
    STRIDES[..levels].iter().map(|&stride| (width.div_ceil(stride) * height.div_ceil(stride)) as usize).sum()
}
