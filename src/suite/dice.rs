//! What differs between two scenes of one situation, drawn from a seed.

use crate::geometry::Point;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::ops::Range;
use std::time::Duration;

/// Numbers that follow from a seed.
pub(super) struct Dice(Pcg64Mcg);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Pcg64Mcg::seed_from_u64(seed))
    }

    pub(super) fn number(&mut self, range: Range<f32>) -> f32 {
        self.0.random_range(range)
    }

    pub(super) fn secs(&mut self, range: Range<f32>) -> Duration {
        Duration::from_secs_f32(self.number(range))
    }

    /// A place of the street, in pixels of the footage, no farther off than so many pixels across and a third of them down.
    pub(super) fn near(&mut self, (x, y): (f32, f32), reach: f32) -> Point {
        Point { x: x + self.number(-reach..reach), y: y + self.number(-reach / 3.0..reach / 3.0) }
    }
}
