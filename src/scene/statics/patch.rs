//! A place in the picture, scaled to a fixed size, to be compared with what the place shows later.

use super::backgrounds::{Backgrounds, luma_of};
use super::grid::CellRect;

/// Points across and down.
const SIDE: usize = 24;
/// How much of the surroundings belongs to it on every side, as a share of the thing's own side: the outline tells most.
const MARGIN: f32 = 0.25;
/// Factor of contrast that light can make, beyond the ratio of the mean levels.
const CONTRAST: (f32, f32) = (0.5, 2.0);
/// Rows and columns of the thing itself.
const WITHIN: std::ops::Range<usize> = SIDE / 6 + 1..SIDE - SIDE / 6 - 1;
/// Share of the points that must be in sight.
const MIN_IN_SIGHT: f32 = 0.6;

/// Luma at points of a place; not a number where the point was not in sight. 2.3 KB.
#[derive(Debug, Clone)]
pub(super) struct Patch(Box<[f32; SIDE * SIDE]>);

impl Patch {
    /// What the place of a thing shows now, where it has settled and nobody is; none if too little is in sight.
    pub(super) fn seen(backgrounds: &Backgrounds, columns: usize, rect: &CellRect) -> Option<Self> {
        let in_sight = |cell: usize| backgrounds.is_settled(cell) && !backgrounds.covered[cell];
        Self::take(&backgrounds.recent, columns, rect, in_sight)
    }

    /// The ground at the place of a thing; none if too little is known of it.
    pub(super) fn ground(backgrounds: &Backgrounds, columns: usize, rect: &CellRect) -> Option<Self> {
        Self::take(&backgrounds.ground, columns, rect, |cell| backgrounds.ground[cell] >= 0)
    }

    fn take(values: &[i16], columns: usize, rect: &CellRect, in_sight: impl Fn(usize) -> bool) -> Option<Self> {
        let rows = values.len() / columns;
        let place = |point: usize, start: usize, length: usize, end: usize| {
            let margin = MARGIN * length as f32 + 2.0;
            let at = start as f32 - margin + (point as f32 + 0.5) / SIDE as f32 * (length as f32 + 2.0 * margin);
            (at.max(0.0) as usize).min(end - 1)
        };
        let mut points = Box::new([f32::NAN; SIDE * SIDE]);
        let mut count = 0;
        for (index, point) in points.iter_mut().enumerate() {
            let row = place(index / SIDE, rect.top, rect.height(), rows);
            let column = place(index % SIDE, rect.left, rect.width(), columns);
            let cell = row * columns + column;
            if in_sight(cell) {
                *point = luma_of(values[cell]);
                count += 1;
            }
        }
        (count as f32 >= MIN_IN_SIGHT * (SIDE * SIDE) as f32).then_some(Self(points))
    }

    /// What of `seen` this place does not explain in any plausible light: mean square in luma steps, after the factor and the offset
    /// that fit best.
    pub(super) fn unexplained(&self, seen: &Self) -> f32 {
        let pairs =
            || self.0.iter().copied().zip(seen.0.iter().copied()).filter(|(a, b)| a.is_finite() && b.is_finite());
        let (own_square, its_square, product) = moments(pairs());
        let (own, its) = pairs().fold((0.0, 0.0), |(own, its), (a, b)| (own + a, its + b));
        let level = (its.max(1.0) / own.max(1.0)).clamp(0.1, 10.0);
        let factor = (product / own_square.max(f32::EPSILON)).clamp(CONTRAST.0 * level, CONTRAST.1 * level);
        (its_square - 2.0 * factor * product + factor * factor * own_square).max(0.0)
    }

    /// Correlation of the thing itself, without its surroundings, with what is seen of it, -1..=1: the same in any light.
    pub(super) fn likeness(&self, seen: &Self) -> f32 {
        let is_within = |index: &usize| {
            let (row, column) = (index / SIDE, index % SIDE);
            WITHIN.contains(&row) && WITHIN.contains(&column)
        };
        let points = || (0..SIDE * SIDE).filter(is_within).map(|index| (self.0[index], seen.0[index]));
        let (own, its, product) = moments(points().filter(|(a, b)| a.is_finite() && b.is_finite()));
        product / (own * its).sqrt().max(f32::EPSILON)
    }

    /// Moves toward what is seen.
    pub(super) fn follow(&mut self, seen: &Self, share: f32) {
        for (own, &its) in self.0.iter_mut().zip(seen.0.iter()) {
            if its.is_finite() {
                *own = if own.is_finite() { *own + (its - *own) * share } else { its };
            }
        }
    }
}

/// Variances of both and their covariance.
fn moments(pairs: impl Iterator<Item = (f32, f32)> + Clone) -> (f32, f32, f32) {
    let (count, a_sum, b_sum) =
        pairs.clone().fold((0.0_f32, 0.0, 0.0), |(count, a_sum, b_sum), (a, b)| (count + 1.0, a_sum + a, b_sum + b));
    let count = count.max(1.0);
    let (a_mean, b_mean) = (a_sum / count, b_sum / count);
    let (a, b, product) = pairs.fold((0.0, 0.0, 0.0), |(a_square, b_square, product), (a, b)| {
        let (a, b) = (a - a_mean, b - b_mean);
        (a_square + a * a, b_square + b * b, product + a * b)
    });
    (a / count, b / count, product / count)
}
