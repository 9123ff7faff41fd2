//! The luma of the watched part of a frame in cells of a few pixels.

use crate::frame::Frame;
use crate::geometry::BBox;

/// Columns that a whole frame has at least half of and at most: cells are whole pixels, four by four at 1080p.
const MAX_COLUMNS: u32 = 480;
/// Pixels of a row that are read of a cell at most.
const MAX_RUN: usize = 4;

/// Cells of a rectangle, ends excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CellRect {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) right: usize,
    pub(super) bottom: usize,
}

impl CellRect {
    pub(super) fn width(&self) -> usize {
        self.right - self.left
    }

    pub(super) fn height(&self) -> usize {
        self.bottom - self.top
    }

    /// Cells.
    pub(super) fn area(&self) -> usize {
        self.width() * self.height()
    }

    /// Cells that lie in both.
    pub(super) fn intersection(&self, other: &Self) -> usize {
        let width = self.right.min(other.right).saturating_sub(self.left.max(other.left));
        let height = self.bottom.min(other.bottom).saturating_sub(self.top.max(other.top));
        width * height
    }

    /// Intersection over union.
    pub(super) fn iou(&self, other: &Self) -> f32 {
        let shared = self.intersection(other);
        shared as f32 / (self.area() + other.area() - shared) as f32
    }

    /// Cells between the two, across or down, whichever are more.
    pub(super) fn gap(&self, other: &Self) -> usize {
        let across = self.left.max(other.left).saturating_sub(self.right.min(other.right));
        let down = self.top.max(other.top).saturating_sub(self.bottom.min(other.bottom));
        across.max(down)
    }

    /// What lies between the two: along each axis from one to the other, or what they share of it.
    pub(super) fn between(&self, other: &Self) -> Self {
        let along = |(a, a_end): (usize, usize), (b, b_end): (usize, usize)| {
            let (from, to) = (a.max(b), a_end.min(b_end));
            (from.min(to), from.max(to))
        };
        let (left, right) = along((self.left, self.right), (other.left, other.right));
        let (top, bottom) = along((self.top, self.bottom), (other.top, other.bottom));
        Self { left, top, right, bottom }
    }

    /// Whether a cell lies in it.
    pub(super) fn holds(&self, column: usize, row: usize) -> bool {
        (self.left..self.right).contains(&column) && (self.top..self.bottom).contains(&row)
    }

    /// Half as much again on every side, within a grid.
    pub(super) fn grown(&self, columns: usize, rows: usize) -> Self {
        let (across, down) = (self.width() / 2, self.height() / 2);
        Self {
            left: self.left.saturating_sub(across),
            top: self.top.saturating_sub(down),
            right: (self.right + across).min(columns),
            bottom: (self.bottom + down).min(rows),
        }
    }

    /// The smallest rectangle that holds this one and a cell.
    pub(super) fn include(&mut self, column: usize, row: usize) {
        self.left = self.left.min(column);
        self.top = self.top.min(row);
        self.right = self.right.max(column + 1);
        self.bottom = self.bottom.max(row + 1);
    }
}

/// Where the cells lie in frames of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grid {
    /// Width and height of the frame in pixels.
    frame: (u32, u32),
    /// Side of a cell in pixels.
    edge: usize,
    /// First column and row, counted in cells from the frame's corner.
    first: (usize, usize),
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Grid {
    /// The cells that cover a part of a frame.
    pub(super) fn covering(frame: (u32, u32), part: &BBox) -> Self {
        let edge = frame.0.div_ceil(MAX_COLUMNS).max(1) as usize;
        let (all_columns, all_rows) = ((frame.0 as usize / edge).max(1), (frame.1 as usize / edge).max(1));
        let first_of = |share: f32, all: usize| ((share * all as f32) as usize).min(all - 1);
        let end_of = |share: f32, all: usize| ((share * all as f32).ceil() as usize).clamp(1, all);
        let first = (first_of(part.left(), all_columns), first_of(part.top(), all_rows));
        let end = (end_of(part.right(), all_columns), end_of(part.bottom(), all_rows));
        let length = |first: usize, end: usize| end.saturating_sub(first).max(1);
        Self { frame, edge, first, columns: length(first.0, end.0), rows: length(first.1, end.1) }
    }

    /// Width and height of the frames for which it was made.
    pub(super) fn frame_size(&self) -> (u32, u32) {
        self.frame
    }

    /// Mean luma of every cell, row by row; `out` has as many as it. Of cells larger than two pixels every second row is
    /// read: a quarter of the noise, and half the reading.
    pub(super) fn sample(&self, frame: &Frame, out: &mut [u8]) {
        match self.edge.min(MAX_RUN) {
            1 => self.sample_runs::<1>(frame, out),
            2 => self.sample_runs::<2>(frame, out),
            3 => self.sample_runs::<3>(frame, out),
            _ => self.sample_runs::<4>(frame, out),
        }
    }

    fn sample_runs<const RUN: usize>(&self, frame: &Frame, out: &mut [u8]) {
        let (plane, stride) = (frame.plane(0), frame.layout().strides[0]);
        let (edge, step) = (self.edge, if self.edge > 2 { 2 } else { 1 });
        let lines = self.edge.min(MAX_RUN).div_ceil(step);
        let divisor = (lines * RUN) as u16;
        // A division per cell would take longer than everything else.
        let reciprocal = (1_u32 << 20).div_ceil(u32::from(divisor));
        let mut sums = vec![0_u16; self.columns];
        for (row, out) in out.chunks_exact_mut(self.columns).enumerate() {
            sums.fill(divisor / 2);
            for line in 0..lines {
                let start = ((self.first.1 + row) * edge + line * step) * stride + self.first.0 * edge;
                let pixels = &plane[start..start + self.columns * edge];
                if edge == RUN {
                    let (cells, _) = pixels.as_chunks::<RUN>();
                    add_runs(&mut sums, cells.iter());
                } else {
                    add_runs(&mut sums, pixels.chunks_exact(edge).filter_map(<[u8]>::first_chunk::<RUN>));
                }
            }
            for (cell, sum) in out.iter_mut().zip(&sums) {
                *cell = ((u32::from(*sum) * reciprocal) >> 20) as u8;
            }
        }
    }

    /// Where a rectangle of cells lies in the frame.
    pub(super) fn bbox(&self, rect: &CellRect) -> BBox {
        let share = |cells: usize, of: u32| (cells * self.edge) as f32 / of as f32;
        let (x, y) = self.first;
        let (width, height) = self.frame;
        BBox::try_new(
            share(x + rect.left, width),
            share(y + rect.top, height),
            share(x + rect.right, width),
            share(y + rect.bottom, height),
        )
        .expect("cells are finite and in order")
    }

    /// The cells that a box touches; none if it lies outside.
    pub(super) fn rect(&self, bbox: &BBox) -> Option<CellRect> {
        let cells = |share: f32, of: u32| share * of as f32 / self.edge as f32;
        let from = |share: f32, of: u32, first: usize| (cells(share, of) as usize).saturating_sub(first);
        let to = |share: f32, of: u32, first: usize, end: usize| {
            (cells(share, of).ceil() as usize).saturating_sub(first).min(end)
        };
        let (width, height) = self.frame;
        let rect = CellRect {
            left: from(bbox.left(), width, self.first.0),
            top: from(bbox.top(), height, self.first.1),
            right: to(bbox.right(), width, self.first.0, self.columns),
            bottom: to(bbox.bottom(), height, self.first.1, self.rows),
        };
        (rect.left < rect.right && rect.top < rect.bottom).then_some(rect)
    }
}

fn add_runs<'a, const RUN: usize>(sums: &mut [u16], cells: impl Iterator<Item = &'a [u8; RUN]>) {
    for (sum, run) in sums.iter_mut().zip(cells) {
        *sum += run.iter().map(|&pixel| u16::from(pixel)).sum::<u16>();
    }
}
