//! The change test: a scene that did not change is not inferred.
//!
//! A frame is compared with the last one that was inferred, not with the one before: what creeps adds up. Light is
//! compensated as one factor over the whole area; noise, swaying leaves and a shaking pole are learned per block.

use super::sample::{COLUMNS, LumaSample, ROWS};
use crate::frame::FrameStamp;
use crate::geometry::{Point, Polygon};
use std::time::Duration;

/// For how long frames are admitted after a change: what a detector misses when it comes is looked for once or twice more, at the key
/// frames of an idle camera too.
const LINGER: Duration = Duration::from_secs(4);

/// Cells of a block: 64x72 pixels at 1080p, about a person at 30 m.
const BLOCK_WIDTH: usize = 8;
const BLOCK_HEIGHT: usize = 9;
const BLOCK_COLUMNS: usize = COLUMNS / BLOCK_WIDTH;
const BLOCK_ROWS: usize = ROWS / BLOCK_HEIGHT;
const BLOCKS: usize = BLOCK_COLUMNS * BLOCK_ROWS;
/// A block changed if its mean difference is above this many times its usual one, plus so many luma steps. Alone, or with a
/// neighbour.
const ALONE: (f32, f32) = (3.0, 3.0);
const WITH_NEIGHBOUR: (f32, f32) = (2.0, 1.5);
/// The usual difference is the one that two thirds of those seen do not exceed: it falls in steps of this share of it plus so
/// many luma steps, and rises in steps twice as large.
const USUAL_STEP: (f32, f32) = (0.05, 0.02);
/// Largest usual difference in luma steps: constant traffic must not make a block blind.
const MAX_USUAL: f32 = 5.0;
/// Mean difference of two cells (each the mean of four pixels) per deviation of the pixels' noise: `sqrt(2 * 2 / pi) / 2`.
const NOISE_DIFFERENCE: f32 = 0.56;
/// Noise in luma steps beyond which it is texture or rain that was taken for noise.
const MAX_NOISE: f32 = 8.0;
/// Largest change of light that is compensated; more is a change.
const LIGHT: (f32, f32) = (0.8, 1.25);

/// Why frames were admitted or not, since the camera is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GateCounts {
    /// Admitted because something changed, or had just changed.
    pub changed: u64,
    /// Admitted because something is pending or clearing.
    pub busy: u64,
    /// Admitted because the last inference was too long ago, or the stream begins.
    pub idle: u64,
    /// Not inferred.
    pub unchanged: u64,
}

/// Decides for one camera which frames are inferred.
#[derive(Debug)]
pub struct Gate {
    max_idle: Duration,
    /// Blocks that hold a part of a zone, or have a neighbour that does: things stand in a zone and rise above it.
    watched: Vec<usize>,
    inferred: Option<(FrameStamp, LumaSample)>,
    changed: Option<FrameStamp>,
    /// Usual difference per block in luma steps; that of the first comparison to begin with.
    usual: Vec<f32>,
    compared: bool,
    /// Difference per block, zero where it is not watched; scratch, as is `ratios`.
    differences: Vec<f32>,
    ratios: Vec<f32>,
    counts: GateCounts,
}

impl Gate {
    /// Watches the union of the zones, or the whole picture if there are none; infers at least once per `max_idle`.
    #[must_use]
    pub fn new<'a>(zones: impl IntoIterator<Item = &'a Polygon>, max_idle: Duration) -> Self {
        Self {
            max_idle,
            watched: watched_blocks(&zones.into_iter().collect::<Vec<_>>()),
            inferred: None,
            changed: None,
            usual: vec![0.0; BLOCKS],
            compared: false,
            differences: vec![0.0; BLOCKS],
            ratios: Vec::with_capacity(BLOCKS),
            counts: GateCounts::default(),
        }
    }

    /// Whether the frame is to be inferred; `is_busy` while anything is pending, open and unseen, or clearing.
    ///
    /// A frame that is admitted must be inferred: the next are compared with it.
    pub fn admit(&mut self, stamp: &FrameStamp, sample: &LumaSample, is_busy: bool) -> bool {
        let idle = self.inferred.as_ref().and_then(|(inferred, _)| stamp.elapsed_since(inferred));
        let has_changed = idle.is_some() && self.compare(sample);
        if has_changed {
            self.changed = Some(*stamp);
        }
        let lingers =
            self.changed.and_then(|changed| stamp.observed_since(&changed)).is_some_and(|since| since <= LINGER);
        let count = if is_busy {
            &mut self.counts.busy
        } else if lingers {
            &mut self.counts.changed
        } else if idle.is_none_or(|idle| idle >= self.max_idle) {
            &mut self.counts.idle
        } else {
            self.counts.unchanged += 1;
            return false;
        };
        *count += 1;
        match &mut self.inferred {
            Some((inferred, kept)) => {
                *inferred = *stamp;
                kept.copy_from(sample);
            }
            None => self.inferred = Some((*stamp, sample.clone())),
        }
        true
    }

    /// Frames admitted and not, by reason.
    #[must_use]
    pub fn counts(&self) -> GateCounts {
        self.counts
    }

    /// Whether a watched block differs from the last inferred frame by more than it usually does.
    fn compare(&mut self, sample: &LumaSample) -> bool {
        let Some((_, inferred)) = &self.inferred else { return true };
        if inferred.frame_size() != sample.frame_size() {
            return true;
        }
        let black = sample.black();
        self.ratios.clear();
        for &block in &self.watched {
            let (before, now) = (block_sum(inferred, block, black), block_sum(sample, block, black));
            self.ratios.push((now + 1.0) / (before + 1.0));
        }
        let middle = self.ratios.len() / 2;
        let light = *self.ratios.select_nth_unstable_by(middle, f32::total_cmp).1;
        for &block in &self.watched {
            self.differences[block] = block_difference(inferred, sample, block, light.clamp(LIGHT.0, LIGHT.1), black);
        }
        if !std::mem::replace(&mut self.compared, true) {
            let first = self.differences.iter().map(|difference| difference.min(MAX_USUAL));
            self.usual.iter_mut().zip(first).for_each(|(usual, first)| *usual = first);
        }
        let noise = NOISE_DIFFERENCE * sample.noise().max(inferred.noise()).min(MAX_NOISE);
        let exceeds = |block: usize, (times, plus): (f32, f32)| {
            self.differences[block] > times * self.usual[block].max(noise) + plus
        };
        let has_changed = self.watched.iter().any(|&block| {
            exceeds(block, ALONE)
                || (exceeds(block, WITH_NEIGHBOUR) && neighbours(block).any(|next| exceeds(next, WITH_NEIGHBOUR)))
        });
        for &block in &self.watched {
            let usual = &mut self.usual[block];
            let step = USUAL_STEP.0 * *usual + USUAL_STEP.1;
            let toward = if self.differences[block] > *usual { 2.0 * step } else { -step };
            *usual = (*usual + toward).clamp(0.0, MAX_USUAL);
        }
        has_changed
    }
}

/// The cells of a block, row by row.
fn rows_of(block: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let (top, left) = (block / BLOCK_COLUMNS * BLOCK_HEIGHT, block % BLOCK_COLUMNS * BLOCK_WIDTH);
    (top..top + BLOCK_HEIGHT).map(move |row| row * COLUMNS + left..row * COLUMNS + left + BLOCK_WIDTH)
}

fn block_sum(sample: &LumaSample, block: usize, zero: f32) -> f32 {
    let sum: u32 = rows_of(block).flat_map(|cells| &sample.luma()[cells]).map(|&luma| u32::from(luma)).sum();
    (sum as f32 - zero * (BLOCK_WIDTH * BLOCK_HEIGHT) as f32).max(0.0)
}

/// Mean absolute difference of a block after the factor of light, in luma steps.
fn block_difference(before: &LumaSample, now: &LumaSample, block: usize, light: f32, zero: f32) -> f32 {
    let expected_from = |luma: u8| (f32::from(luma) - zero) * light + zero;
    let row = |cells: std::ops::Range<usize>| -> f32 {
        let pairs = before.luma()[cells.clone()].iter().zip(&now.luma()[cells]);
        pairs.map(|(&before, &now)| (f32::from(now) - expected_from(before)).abs()).sum()
    };
    rows_of(block).map(row).sum::<f32>() / (BLOCK_WIDTH * BLOCK_HEIGHT) as f32
}

fn neighbours(block: usize) -> impl Iterator<Item = usize> {
    let (row, column) = (block / BLOCK_COLUMNS, block % BLOCK_COLUMNS);
    let rows = row.saturating_sub(1)..=(row + 1).min(BLOCK_ROWS - 1);
    let columns = column.saturating_sub(1)..=(column + 1).min(BLOCK_COLUMNS - 1);
    rows.flat_map(move |row| columns.clone().map(move |column| row * BLOCK_COLUMNS + column))
        .filter(move |&other| other != block)
}

fn watched_blocks(zones: &[&Polygon]) -> Vec<usize> {
    let cell = |index: usize| Point {
        x: (index % COLUMNS) as f32 / COLUMNS as f32 + 0.5 / COLUMNS as f32,
        y: (index / COLUMNS) as f32 / ROWS as f32 + 0.5 / ROWS as f32,
    };
    let holds_zone =
        |block: usize| rows_of(block).flatten().any(|index| zones.iter().any(|zone| zone.contains(cell(index))));
    let within: Vec<bool> = (0..BLOCKS).map(holds_zone).collect();
    if !within.contains(&true) {
        return (0..BLOCKS).collect();
    }
    (0..BLOCKS).filter(|&block| within[block] || neighbours(block).any(|next| within[next])).collect()
}

#[cfg(test)]
mod tests;
