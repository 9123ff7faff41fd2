//! When which unit of a file is sent.

use super::units::{Unit, Units};
use crate::clock::{Clocks, Mono};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// What follows the end of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Play {
    /// Its beginning, with times that go on rising.
    #[default]
    Loop,
    /// The end of the stream.
    Once,
}

/// A file that plays since its first viewer came, whether anybody watches or not.
pub(super) struct Timeline {
    units: Units,
    play: Play,
    clocks: Arc<dyn Clocks>,
    began: OnceLock<(Mono, jiff::Timestamp)>,
}

/// Where one source of the timeline is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The place on the timeline that is this source's zero.
    zero: Duration,
    /// Times the file was played before.
    round: u32,
    /// The unit that is next.
    index: usize,
}

/// What a source sends next.
#[derive(Debug)]
pub(super) enum Next {
    /// A unit with the times of this source.
    Unit(gstreamer::Buffer),
    /// Nothing: the file is over.
    Over,
}

impl Timeline {
    pub(super) fn new(units: Units, play: Play, clocks: Arc<dyn Clocks>) -> Self {
        Self { units, play, clocks, began: OnceLock::new() }
    }

    pub(super) fn units(&self) -> &Units {
        &self.units
    }

    /// When its first unit was sent.
    pub(super) fn began(&self) -> Option<jiff::Timestamp> {
        self.began.get().map(|(_, wall)| *wall)
    }

    /// A new source that begins now: with the next key unit, since nothing before it can be decoded.
    pub(super) fn cursor(&self) -> Cursor {
        let (began, _) = *self.began.get_or_init(|| (self.clocks.mono(), self.clocks.wall()));
        let zero = self.clocks.mono().since(began);
        let period = self.units.period().as_nanos().max(1);
        let round = u32::try_from(zero.as_nanos() / period).unwrap_or(u32::MAX);
        let into_round = zero.saturating_sub(self.round_start(round));
        let next_key = self.units.all().iter().position(|unit| unit.key && unit.shown >= into_round);
        match next_key {
            Some(index) => Cursor { zero, round, index },
            None => Cursor { zero, round: round.saturating_add(1), index: 0 },
        }
    }

    /// The unit at the cursor, which moves on.
    pub(super) fn next(&self, cursor: &mut Cursor) -> Next {
        if cursor.round > 0 && self.play == Play::Once {
            return Next::Over;
        }
        let Unit { buffer, shown, decoded, .. } = &self.units.all()[cursor.index];
        let in_source = |at: Duration| {
            let since_zero = (self.round_start(cursor.round) + at).saturating_sub(cursor.zero);
            gstreamer::ClockTime::try_from(since_zero).ok()
        };
        let (pts, dts) = (in_source(*shown), in_source(*decoded));
        // Shares the bytes; only the times are its own.
        let mut sent = buffer.copy();
        let header = sent.get_mut().expect("a new copy has one owner");
        header.set_pts(pts);
        header.set_dts(dts);
        cursor.index += 1;
        if cursor.index == self.units.all().len() {
            cursor.index = 0;
            cursor.round = cursor.round.saturating_add(1);
        }
        Next::Unit(sent)
    }

    fn round_start(&self, round: u32) -> Duration {
        self.units.period().saturating_mul(round)
    }
}
