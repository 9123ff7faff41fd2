//! What is put into the street, one file per kind of thing.

use super::canvas::Picture;
use crate::evaluate::truth::Thing;
use std::time::Duration;

mod figures;
pub(super) mod lane;
mod parasol;
mod person;
pub(super) mod prop;
mod sketch;
pub(super) mod stall;
pub(super) mod vehicle;

/// Something that is put into the street.
pub(super) trait Actor {
    /// Row of the street on which it stands at this time: what stands on a lower row is drawn over it.
    fn ground(&self, time: Duration) -> f32;
    /// Draws it as it is at this time; nothing when it is not there.
    fn draw(&self, picture: &mut Picture, time: Duration);
    /// What there is to report about it; none of what is no thing.
    fn truth(&self) -> Option<Thing>;
}

/// Pixels of the footage per metre of something upright that stands on the given row.
///
/// Measured on the clip's pedestrians, taken as 1.75 m: 56 pixels on row 152, 85 on row 307.
fn pixels_per_metre(row: f32) -> f32 {
    (32.0 + (row - 152.0) * 0.1065).max(8.0)
}

/// Opacity of something that fades in after `from` and out before `to`, within half a second; 0 outside.
fn fading(time: Duration, from: Duration, to: Duration) -> f32 {
    const FADE_SECS: f32 = 0.5;
    let since = |earlier: Duration, later: Duration| later.saturating_sub(earlier).as_secs_f32();
    if !(from..to).contains(&time) {
        return 0.0;
    }
    // Never quite 0 while it is there: the truth says that it is.
    let at_start = if from.is_zero() { 1.0 } else { (since(from, time) / FADE_SECS).clamp(0.1, 1.0) };
    at_start.min((since(time, to) / FADE_SECS).clamp(0.1, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_visible_exactly_while_it_is_there() {
        let (from, to) = (Duration::from_secs(2), Duration::from_secs(4));
        let at = |millis| fading(Duration::from_millis(millis), from, to);
        assert!(at(1_999) <= 0.0 && at(4_000) <= 0.0);
        assert!(at(2_000) > 0.0 && at(3_999) > 0.0);
        assert!(at(3_000) >= 1.0);
    }
}
