//! Day or night, by the picture alone.
//!
//! What changes at dusk is the picture, not the hour: the camera switches to infrared light and shows no colour, or it goes on in colour and
//! the picture is dark and noisy. A table of hours would be wrong in other seasons, under bridges and for each camera's own switch.
//! A picture without colour is therefore night, and so is a dark one; a camera that never shows colour sees by night all the time.

use super::condition::{Condition, Delays, Evidence};
use super::sample::LumaSample;
use crate::frame::FrameStamp;
use std::time::Duration;

/// By what light a camera sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Light {
    /// In colour, and bright enough.
    #[default]
    Day,
    /// Without colour (infrared light), or dark.
    Night,
}

/// Share of the picture that is coloured: night up to, day from. The footage of a street by day has 0.5 to 0.7, infrared 0.00; a coloured
/// line of text takes less than 0.02.
const COLORED: (f32, f32) = (0.02, 0.06);
/// Mean level: night up to, day from. By day a camera's exposure keeps the mean at 0.3 to 0.5.
const LEVEL: (f32, f32) = (0.15, 0.22);
/// Headlights, a tunnel of lorries and a camera that hunts for its exposure are over within a minute.
const DELAYS: Delays = Delays { enter: Duration::from_mins(1), leave: Duration::from_mins(1) };

/// Follows the light of one camera.
#[derive(Debug)]
pub struct LightMeter {
    night: Condition,
    /// Whether a picture has told it yet.
    is_known: bool,
}

impl Default for LightMeter {
    fn default() -> Self {
        Self { night: Condition::new(DELAYS), is_known: false }
    }
}

impl LightMeter {
    /// The light as of the last picture; day before the first.
    #[must_use]
    pub fn light(&self) -> Light {
        if self.night.holds() { Light::Night } else { Light::Day }
    }

    /// Takes a picture that shows the scene. The first decides at once; after it, another light counts when it has lasted a minute. Gives the
    /// light if it is another than before.
    pub fn observe(&mut self, stamp: &FrameStamp, sample: &LumaSample) -> Option<Light> {
        let before = self.light();
        let evidence = evidence(sample.colored_share(), sample.mean_level());
        if !self.is_known && evidence != Evidence::Unclear {
            self.is_known = true;
            if evidence == Evidence::For {
                self.night = Condition::holding(DELAYS);
            }
        }
        self.night.observe(stamp, evidence);
        let light = self.light();
        (light != before).then_some(light)
    }
}

/// What a picture says of its being night.
fn evidence(colored: f32, level: f32) -> Evidence {
    if colored <= COLORED.0 || level <= LEVEL.0 {
        Evidence::For
    } else if colored >= COLORED.1 && level >= LEVEL.1 {
        Evidence::Against
    } else {
        Evidence::Unclear
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::PixelFormat;
    use crate::picture::test_pictures::{Luma, half_colored, stamp};

    fn by_day() -> LumaSample {
        let mut sample = LumaSample::new();
        sample.take(&half_colored(PixelFormat::I420, 110, 150));
        sample
    }

    fn infrared() -> LumaSample {
        Luma::street(3).sample()
    }

    /// Seconds of the pictures at which the light changed.
    fn changes(meter: &mut LightMeter, pictures: impl Iterator<Item = (u32, LumaSample)>) -> Vec<(u32, Light)> {
        let mut changes = Vec::new();
        for (secs, sample) in pictures {
            changes.extend(meter.observe(&stamp(f64::from(secs)), &sample).map(|light| (secs, light)));
        }
        changes
    }

    #[test]
    fn a_picture_that_lost_its_colour_for_a_minute_is_night_until_colour_is_back_for_one() {
        let mut meter = LightMeter::default();
        let seen = |secs: u32| if (100..400).contains(&secs) { infrared() } else { by_day() };
        let pictures = (0..600).step_by(2).map(|secs| (secs, seen(secs)));
        assert_eq!(changes(&mut meter, pictures), [(160, Light::Night), (460, Light::Day)]);
    }

    #[test]
    fn the_first_picture_decides_at_once() {
        let mut meter = LightMeter::default();
        assert_eq!(meter.light(), Light::Day);
        assert_eq!(meter.observe(&stamp(0.0), &infrared()), Some(Light::Night));
        assert_eq!(meter.observe(&stamp(2.0), &by_day()), None, "and no second one");
        assert_eq!(meter.light(), Light::Night);
    }

    #[test]
    fn a_moment_without_colour_is_no_night() {
        let mut meter = LightMeter::default();
        let seen = |secs: u32| if secs % 40 < 20 { infrared() } else { by_day() };
        let pictures = (20..400).step_by(2).map(|secs| (secs, seen(secs)));
        assert_eq!(changes(&mut meter, pictures), []);
    }

    #[test]
    fn a_dark_picture_is_night_in_colour_too() {
        assert_eq!(evidence(0.5, 0.10), Evidence::For);
        assert_eq!(evidence(0.5, 0.18), Evidence::Unclear);
        assert_eq!(evidence(0.5, 0.30), Evidence::Against);
        assert_eq!(evidence(0.04, 0.30), Evidence::Unclear);
    }
}
