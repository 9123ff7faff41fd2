//! Two backgrounds of the watched part of a camera's picture: what it shows most of the time just now, and the ground it has shown
//! for long.
//!
//! *Recent* is a majority vote over time (Boyer and Moore 1991) with a cap: a value gains the time for which it is seen and loses the
//! time for which something else is, and is replaced when nothing is left. Who walks past takes votes and does not win. *Ground*
//! follows recent slowly where both agree, and not at all where they do not: that is decided by region. Both follow changes of
//! light over the whole view at once, so that exposure and clouds are no change.

use super::grid::CellRect;
use std::time::Duration;

/// Steps into which a step of luma is divided.
pub(super) const STEPS: i16 = 64;
/// Ground that is not known yet.
pub(super) const UNKNOWN: i16 = -1;
/// Time that a value can have gained: what is new wins after so long, and what is covered for less is kept.
pub(super) const MAX_VOTES: Duration = Duration::from_secs(8);
/// Time that a value must have gained to count.
pub(super) const SETTLED: Duration = Duration::from_secs(3);
/// Time that a value must have gained to become the ground where none is known.
const LEARNED: Duration = Duration::from_secs(6);
/// Time constants: of recent on a value that is seen, of ground on recent where both agree, and where they differ over too small a
/// place to be anything.
const FOLLOW_SECS: f32 = 2.0;
const GROUND_SECS: f32 = 30.0;
const SPECK_SECS: f32 = 600.0;
/// Difference, in luma steps, up to which a cell shows the same: at least, at most, and in deviations of the noise.
const SAME: (f32, f32, f32) = (8.0, 24.0, 4.0);
/// Difference of the two backgrounds from which a cell has changed, in luma steps where the picture is bright, and at least.
const CHANGED: (f32, f32) = (12.0, 5.0);
/// Mean luma above black from which a picture is bright.
const BRIGHT: f32 = 60.0;
/// Every so many cells are looked at for the light; prime, so that no pattern lines up.
const LIGHT_STRIDE: usize = 37;
/// Change of light from which both backgrounds are relit, and the most that is believed from one frame to the next.
const RELIGHT_FROM: f32 = 0.01;
const MAX_GAIN: (f32, f32) = (0.5, 2.0);

/// The two backgrounds of a grid of cells. About ten bytes a cell.
#[derive(Debug)]
pub(super) struct Backgrounds {
    columns: usize,
    /// Luma of the latest frame.
    pub(super) current: Vec<u8>,
    /// Cells that belong to somebody or something that moves by itself: nothing is learned there.
    pub(super) covered: Vec<bool>,
    /// What most of the last frames show, in [`STEPS`].
    pub(super) recent: Vec<i16>,
    /// Time that `recent` has gained, in 1/64 s.
    votes: Vec<i16>,
    /// What was there before, in [`STEPS`], or [`UNKNOWN`].
    pub(super) ground: Vec<i16>,
    /// Where the two differ.
    pub(super) changed: Vec<bool>,
    is_empty: bool,
    /// Luma of black, and mean luma above it.
    black: f32,
    level: f32,
    /// Deviation of a cell from one frame to the next, in luma steps.
    pub(super) noise: f32,
    ratios: Vec<f32>,
}

impl Backgrounds {
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        let cells = columns * rows;
        Self {
            columns,
            current: vec![0; cells],
            covered: vec![false; cells],
            recent: vec![0; cells],
            votes: vec![0; cells],
            ground: vec![UNKNOWN; cells],
            changed: vec![false; cells],
            is_empty: true,
            black: 0.0,
            level: BRIGHT,
            noise: 1.0,
            ratios: Vec::with_capacity(cells / LIGHT_STRIDE + 1),
        }
    }

    /// Share of a place that the latest frame shows as most of those before it did.
    pub(super) fn share_as_before(&self, rect: &CellRect) -> f32 {
        let same = f32::from(self.same());
        let is_as_before = |cell: &usize| {
            (f32::from(self.current[*cell]) - luma_of(self.recent[*cell])).abs() * f32::from(STEPS) <= same
        };
        let cells =
            (rect.top..rect.bottom).flat_map(|row| row * self.columns + rect.left..row * self.columns + rect.right);
        cells.filter(is_as_before).count() as f32 / rect.area().max(1) as f32
    }

    /// Difference up to which a cell shows the same, in [`STEPS`].
    fn same(&self) -> i16 {
        ((SAME.2 * self.noise).clamp(SAME.0, SAME.1) * f32::from(STEPS)) as i16
    }

    /// Takes in `current`, seen for `observed`; `black` is the luma of black.
    pub(super) fn observe(&mut self, observed: Duration, black: f32) {
        self.black = black;
        if std::mem::take(&mut self.is_empty) {
            for (recent, &luma) in self.recent.iter_mut().zip(&self.current) {
                *recent = i16::from(luma) * STEPS;
            }
        }
        self.follow_light();
        self.vote(observed);
    }

    /// Relights both backgrounds by the median ratio of what is seen to what was there, and measures the noise.
    fn follow_light(&mut self) {
        let black = self.black;
        let pairs = || {
            let pair = |(&luma, &recent): (&u8, &i16)| (f32::from(luma) - black, luma_of(recent) - black);
            self.current.iter().zip(&self.recent).step_by(LIGHT_STRIDE).map(pair)
        };
        self.ratios.clear();
        self.ratios.extend(pairs().filter(|&(_, before)| before >= 8.0).map(|(now, before)| now / before));
        let gain = median(&mut self.ratios).unwrap_or(1.0).clamp(MAX_GAIN.0, MAX_GAIN.1);
        let is_relit = (gain - 1.0).abs() >= RELIGHT_FROM;
        let gain = if is_relit { gain } else { 1.0 };
        let (differences, mut count, mut sum) = (&mut self.ratios, 0_u32, 0.0);
        differences.clear();
        for (&luma, &recent) in self.current.iter().zip(&self.recent).step_by(LIGHT_STRIDE) {
            let (now, before) = (f32::from(luma) - black, luma_of(recent) - black);
            differences.push((now - gain * before).abs());
            sum += now;
            count += 1;
        }
        self.level = (sum / count.max(1) as f32).max(0.0);
        // The median of a normal distribution's magnitude is 0.6745 of its deviation.
        let noise = median(differences).unwrap_or(0.0) / 0.6745;
        self.noise += (noise - self.noise) * 0.1;
        if is_relit {
            let (scale, black) = ((gain * 4096.0) as i32, (black * f32::from(STEPS)) as i32);
            let relit = |value: i16| (black + (((i32::from(value) - black) * scale) >> 12)).clamp(0, 255 * 64) as i16;
            self.recent.iter_mut().for_each(|recent| *recent = relit(*recent));
            self.ground.iter_mut().for_each(|ground| *ground = if *ground < 0 { UNKNOWN } else { relit(*ground) });
        }
    }

    fn vote(&mut self, observed: Duration) {
        let step = votes(observed);
        let same = self.same();
        let follow = (share(observed, FOLLOW_SECS) * 32_767.0) as i16;
        let most = votes(MAX_VOTES);
        let cells = self.recent.iter_mut().zip(&mut self.votes).zip(self.current.iter().zip(&self.covered));
        for ((recent, votes), (&luma, &is_covered)) in cells {
            let seen = i16::from(luma) * STEPS;
            let difference = seen - *recent;
            let is_same = difference.abs() <= same;
            let left = *votes - step;
            let is_outvoted = !is_same && left < 0;
            let followed = *recent + scaled(difference, follow);
            let next = if is_same {
                followed
            } else if is_outvoted {
                seen
            } else {
                *recent
            };
            let next_votes = if is_same { (*votes + step).min(most) } else { left.max(0) };
            *recent = if is_covered { *recent } else { next };
            *votes = if is_covered { *votes } else { next_votes };
        }
    }

    /// Whether a cell has shown the same for a while.
    pub(super) fn is_settled(&self, cell: usize) -> bool {
        self.votes[cell] >= votes(SETTLED)
    }

    /// Whether the latest frame shows the ground in a cell, and nobody.
    pub(super) fn shows_ground(&self, cell: usize) -> bool {
        let difference = luma_of(self.ground[cell]) - f32::from(self.current[cell]);
        self.ground[cell] >= 0 && !self.covered[cell] && difference.abs() <= self.threshold()
    }

    /// Finds the cells in which recent is neither the ground nor within the range of the ground's neighbours: a sway of the pole by a
    /// cell is no change. Returns the share of the cells whose ground is known.
    pub(super) fn compare(&mut self) -> f32 {
        let threshold = (self.threshold() * f32::from(STEPS)) as i16;
        let (columns, settled) = (self.columns, votes(SETTLED));
        let rows = self.recent.len() / columns;
        // One more cell on either side, equal to its neighbour.
        let (mut lowest, mut highest) = (vec![0_i16; columns + 2], vec![0_i16; columns + 2]);
        let (mut changed_cells, mut known_cells) = (0_u32, 1_u32);
        for row in 0..rows {
            let line = |row: usize| &self.ground[row * columns..][..columns];
            let (above, here, below) = (line(row.saturating_sub(1)), line(row), line((row + 1).min(rows - 1)));
            for (column, ((&above, &here), &below)) in above.iter().zip(here).zip(below).enumerate() {
                lowest[column + 1] = above.min(here).min(below);
                highest[column + 1] = above.max(here).max(below);
            }
            for range in [&mut lowest, &mut highest] {
                (range[0], range[columns + 1]) = (range[1], range[columns]);
            }
            let cells = row * columns..(row + 1) * columns;
            let seen = self.recent[cells.clone()].iter().zip(&self.votes[cells.clone()]).zip(here);
            let ranges = lowest.windows(3).zip(highest.windows(3));
            for ((changed, ((&recent, &votes), &ground)), (low, high)) in
                self.changed[cells].iter_mut().zip(seen).zip(ranges)
            {
                let (low, high) = (low[0].min(low[1]).min(low[2]), high[0].max(high[1]).max(high[2]));
                let outside = (low - recent).max(recent - high);
                let is_known = ground >= 0 && votes >= settled;
                *changed = is_known && outside > threshold;
                known_cells += u32::from(is_known);
                changed_cells += u32::from(*changed);
            }
        }
        changed_cells as f32 / known_cells as f32
    }

    /// Difference of the two backgrounds, in luma steps, from which a cell has changed.
    pub(super) fn threshold(&self) -> f32 {
        let lit = CHANGED.0 * (self.level / BRIGHT).min(1.0);
        lit.max(CHANGED.1).max(2.0 * self.noise).min(2.0 * CHANGED.0)
    }

    /// Lets the ground follow after `observed`, changed cells only very slowly.
    pub(super) fn learn(&mut self, observed: Duration) {
        let (agreed, speck) = (share(observed, GROUND_SECS), share(observed, SPECK_SECS));
        let (agreed, speck) = ((agreed * 32_767.0) as i16, (speck * 32_767.0) as i16);
        let (settled, learned) = (votes(SETTLED), votes(LEARNED));
        let cells = self.ground.iter_mut().zip(&self.recent).zip(self.votes.iter().zip(&self.changed));
        for ((ground, &recent), (&votes, &is_changed)) in cells {
            let follow = if is_changed { speck } else { agreed };
            let followed = *ground + scaled(recent - *ground, follow);
            let known = if votes >= settled { followed } else { *ground };
            let begun = if votes >= learned { recent } else { UNKNOWN };
            *ground = if *ground < 0 { begun } else { known };
        }
    }

    /// Takes what a cell shows for the ground.
    pub(super) fn absorb(&mut self, cell: usize) {
        self.ground[cell] = self.recent[cell];
        self.changed[cell] = false;
    }

    /// Takes what is seen for the ground wherever it has settled, and forgets the rest.
    pub(super) fn begin_anew(&mut self) {
        let settled = votes(SETTLED);
        for ((ground, &recent), &votes) in self.ground.iter_mut().zip(&self.recent).zip(&self.votes) {
            *ground = if votes >= settled { recent } else { UNKNOWN };
        }
        self.changed.fill(false);
    }
}

/// A difference of luma times a share in 1/32768, rounded down. The upper half of a product of 16 bits is one vector instruction; twice
/// the difference fits, as luma has 8 bits and [`STEPS`] 6.
fn scaled(difference: i16, share: i16) -> i16 {
    ((i32::from(2 * difference) * i32::from(share)) >> 16) as i16
}

pub(super) fn luma_of(value: i16) -> f32 {
    f32::from(value) / f32::from(STEPS)
}

fn votes(time: Duration) -> i16 {
    (time.as_secs_f32() * 64.0).min(16_000.0) as i16
}

/// Share of the way that an exponential with this time constant goes in a time.
fn share(time: Duration, constant_secs: f32) -> f32 {
    1.0 - (-time.as_secs_f32() / constant_secs).exp()
}

fn median(values: &mut [f32]) -> Option<f32> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(middle, f32::total_cmp).1)
}
