//! An area → what the averages of a few coarse cells say about it.
//!
//! Each area is divided into equal cells of at least the area's cell size, each cell is reduced to its average, and the
//! area is painted by interpolating between the centres of the cells. That is what pixelation followed by a box blur of
//! the width of a cell gives (the convolution of a piecewise constant function with a box of its own period is piecewise
//! linear), in one pass and without edges that catch the eye.
//!
//! Architecture invariant: a painted pixel is a function of the averages alone. Two pictures that differ only inside
//! cells, with the same averages, come out the same: there is nothing to recover. Pixels outside the area are neither
//! read nor written.

use super::areas::HiddenArea;
use super::planes::JfifPlanes;
use crate::frame::Plane;
use std::ops::Range;

/// Hides one area in all three planes; the chroma planes have the same cells at half the size.
pub(super) fn apply(planes: &mut JfifPlanes, area: &HiddenArea) {
    let rect = &area.rect;
    let columns = (rect.width() / area.cell_px).max(1);
    let rows = (rect.height() / area.cell_px).max(1);
    hide(&mut planes.luma, rect.left..rect.right, rect.top..rect.bottom, columns, rows);
    for plane in [&mut planes.cb, &mut planes.cr] {
        let halved = |from: usize, to: usize| from / 2..to.div_ceil(2);
        hide(plane, halved(rect.left, rect.right), halved(rect.top, rect.bottom), columns, rows);
    }
}

fn hide(plane: &mut Plane, x: Range<usize>, y: Range<usize>, columns: usize, rows: usize) {
    let averages = averages(plane, &x, &y, columns, rows);
    let across: Vec<Blend> = (0..x.len()).map(|i| Blend::at(i, x.len(), columns)).collect();
    let mut cells = vec![0i32; columns];
    for row in 0..y.len() {
        let down = Blend::at(row, y.len(), rows);
        let (upper, lower) = (&averages[down.first * columns..], &averages[down.second * columns..]);
        for ((cell, &a), &b) in cells.iter_mut().zip(upper).zip(lower) {
            *cell = down.of(a, b);
        }
        for (pixel, blend) in plane.row_mut(y.start + row)[x.clone()].iter_mut().zip(&across) {
            *pixel = ((blend.of(cells[blend.first], cells[blend.second]) + (1 << 15)) >> 16) as u8;
        }
    }
}

/// The average of each cell, row by row, rounded to a whole number.
fn averages(plane: &Plane, x: &Range<usize>, y: &Range<usize>, columns: usize, rows: usize) -> Vec<i32> {
    let edge = |range: &Range<usize>, cell: usize, count: usize| range.start + cell * range.len() / count;
    let mut averages = Vec::with_capacity(columns * rows);
    for row in 0..rows {
        let (top, bottom) = (edge(y, row, rows), edge(y, row + 1, rows));
        for column in 0..columns {
            let (left, right) = (edge(x, column, columns), edge(x, column + 1, columns));
            let sum_of_row = |y: usize| plane.row(y)[left..right].iter().map(|&v| u64::from(v)).sum::<u64>();
            let sum: u64 = (top..bottom).map(sum_of_row).sum();
            let count = ((right - left) * (bottom - top)).max(1) as u64;
            averages.push(((sum + count / 2) / count) as i32);
        }
    }
    averages
}

/// Position of a pixel between the centres of two neighbouring cells.
struct Blend {
    first: usize,
    second: usize,
    /// Share of the second cell, of 256.
    share: i32,
}

impl Blend {
    /// Position of pixel `index` of `length` among `cells`; before the first and after the last centre there is no blend.
    fn at(index: usize, length: usize, cells: usize) -> Self {
        let half_pixels = (2 * index + 1) * cells;
        let beyond_first = half_pixels.saturating_sub(length);
        let first = (beyond_first / (2 * length)).min(cells - 1);
        let second = (first + 1).min(cells - 1);
        let share = if first == second { 0 } else { beyond_first % (2 * length) * 256 / (2 * length) };
        Self { first, second, share: share as i32 }
    }

    /// The blend of two values, 256 times as large.
    fn of(&self, a: i32, b: i32) -> i32 {
        a * (256 - self.share) + b * self.share
    }
}
