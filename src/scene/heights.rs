//! How tall people look where they stand, learned from those who pass.
//!
//! On even ground the height of a standing person's box is linear in the row of their feet (Hoiem, Efros, Hebert, "Putting Objects in
//! Perspective", CVPR 2006, section 3.2). What is kept are heights by rows of the picture; nothing tells whose they were, or when.

use crate::geometry::BBox;
use crate::track::{Track, TrackId};
use std::collections::VecDeque;
use std::ops::RangeInclusive;

/// Rows that are told apart.
const ROWS: usize = 20;
/// Heights kept of a row, the latest: their median stands for it.
const PER_ROW: usize = 15;
/// Heights from which on anything is told.
const LEAST: usize = 8;
/// How far beyond the rows in which people were seen the line is followed, as a share of the picture.
const BEYOND: f32 = 0.2;
/// Width of a standing person's box over its height, both as shares of the picture's, which is wider than high; others sit, ride, or are
/// partly hidden.
const ASPECT: RangeInclusive<f32> = 0.12..=0.45;
/// Confidence from which on a box is taken for the whole of a person.
const SURE: f32 = 0.5;
/// A box that ends so near to the picture's edge may go on beyond it.
const EDGE: f32 = 0.01;
/// A camera that looks so steeply down that less than this share of a way down the picture is left after the height of what hangs there
/// tells nothing.
const LEAST_LEFT: f32 = 0.1;

/// How tall a person looks by the row of their feet, both as shares of the picture's height. Knows nothing to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PersonHeights(Option<Line>);

/// Learns [`PersonHeights`].
#[derive(Debug, Default)]
pub struct HeightLearner {
    rows: [Row; ROWS],
    learned: PersonHeights,
}

#[derive(Debug, Default)]
struct Row {
    /// Number of the track, row of the feet, height: one person is one height, however long they stand.
    people: VecDeque<(TrackId, f32, f32)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Line {
    at_top: f32,
    slope: f32,
    top: f32,
    bottom: f32,
}

impl HeightLearner {
    /// One who knows to begin with, until it learns something of its own.
    #[must_use]
    pub fn knowing(learned: PersonHeights) -> Self {
        Self { rows: Default::default(), learned }
    }

    /// Learns from a person who is seen in this frame.
    pub fn learn(&mut self, person: &Track) {
        if !person.is_seen() || person.confidence() < SURE || !stands_whole(&person.bbox()) {
            return;
        }
        let (foot, height) = (person.bbox().bottom(), person.bbox().height());
        let row = &mut self.rows[((foot * ROWS as f32) as usize).min(ROWS - 1)];
        if row.people.iter().any(|(known, ..)| *known == person.id()) {
            return;
        }
        if row.people.len() == PER_ROW {
            row.people.pop_front();
        }
        row.people.push_back((person.id(), foot, height));
        self.learned = PersonHeights(self.fit());
    }

    /// What was learned so far.
    #[must_use]
    pub fn learned(&self) -> PersonHeights {
        self.learned
    }

    /// The line through the rows' medians, each with the weight of its heights (least squares).
    fn fit(&self) -> Option<Line> {
        let points: Vec<(f32, f32, f32)> = self.rows.iter().filter_map(Row::point).collect();
        if points.iter().map(|point| point.2).sum::<f32>() < LEAST as f32 {
            return None;
        }
        let sum = |of: &dyn Fn(&(f32, f32, f32)) -> f32| points.iter().map(of).sum::<f32>();
        let weight = sum(&|p| p.2);
        let (foot, height) = (sum(&|p| p.0 * p.2) / weight, sum(&|p| p.1 * p.2) / weight);
        let spread = sum(&|p| p.2 * (p.0 - foot).powi(2));
        let (top, bottom) = (points.first()?.0, points.last()?.0);
        // In one row alone nothing tells the slope; who is nearer looks no smaller.
        let slope = if spread > 0.0 { sum(&|p| p.2 * (p.0 - foot) * (p.1 - height)) / spread } else { 0.0 }.max(0.0);
        Some(Line { at_top: height - slope * foot, slope, top, bottom })
    }
}

impl PersonHeights {
    /// Height of a person whose feet are at this row; none while too few were seen, or none near it.
    #[must_use]
    pub fn at(&self, foot: f32) -> Option<f32> {
        let line = self.0.filter(|line| foot >= line.top - BEYOND && foot <= line.bottom + BEYOND)?;
        Some(line.at_top + line.slope * foot).filter(|height| *height > 0.0)
    }

    /// Where on the ground that is above which something hangs at so many heights of a person, and the height of a person there.
    #[must_use]
    pub fn below(&self, hanging: f32, heights: f32) -> Option<(f32, f32)> {
        let line = self.0?;
        // foot = hanging + heights * (at_top + slope * foot)
        let left = 1.0 - heights * line.slope;
        let foot = (left > LEAST_LEFT).then(|| (hanging + heights * line.at_top) / left)?;
        Some((foot, self.at(foot)?))
    }
}

impl Row {
    /// Where in it people stood, how tall the middle one of them was, and how many there are.
    fn point(&self) -> Option<(f32, f32, f32)> {
        let mut heights: Vec<f32> = self.people.iter().map(|(_, _, height)| *height).collect();
        heights.sort_unstable_by(f32::total_cmp);
        let median = heights.get(heights.len() / 2)?;
        let count = heights.len() as f32;
        Some((self.people.iter().map(|(_, foot, _)| foot).sum::<f32>() / count, *median, count))
    }
}

fn stands_whole(bbox: &BBox) -> bool {
    let is_within = bbox.top() > EDGE && bbox.bottom() < 1.0 - EDGE && bbox.left() > EDGE && bbox.right() < 1.0 - EDGE;
    is_within && bbox.height() > 0.0 && ASPECT.contains(&(bbox.width() / bbox.height()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::detect::Detection;
    use crate::frame::FrameStamp;
    use crate::track::{StartConfidence, Tracker};

    const PERSON: u16 = 0;

    /// What is learned of a street whose horizon is at 0.1: people look as tall as half of their feet's distance from it.
    pub(crate) fn of_a_street() -> PersonHeights {
        let feet = (0..12u8).map(|walk| 0.42 + 0.1 * f32::from(walk / 2));
        of(feet.map(|foot| (foot, (foot - 0.1) / 2.0)))
    }

    /// What is learned of people who walk by, one after the other, with their feet at a row and so tall.
    fn of(people: impl Iterator<Item = (f32, f32)>) -> PersonHeights {
        let mut heights = HeightLearner::default();
        let mut tracker = Tracker::new(vec![PERSON], StartConfidence::same(0.3));
        for (number, (foot, height)) in (0u8..).zip(people) {
            for step in 0..8u8 {
                let (left, width) = (0.2 + 0.02 * f32::from(step), 0.25 * height);
                let bbox = BBox::try_new(left, foot - height, left + width, foot).unwrap();
                let seen = Detection { class: PERSON, confidence: 0.8, bbox };
                let stamp = FrameStamp::at_secs(f64::from(number) * 60.0 + f64::from(step) / 2.0, 0);
                tracker.update(&stamp, &[seen]).iter().for_each(|person| heights.learn(person));
            }
        }
        heights.learned()
    }

    #[test]
    fn a_few_people_tell_how_tall_anyone_would_look_anywhere() {
        let heights = of_a_street();
        for foot in [0.3, 0.45, 0.62, 0.9, 1.0] {
            let height = heights.at(foot).unwrap();
            assert!((height - (foot - 0.1) / 2.0).abs() < 0.015, "{foot}: {height}");
        }
        assert_eq!(heights.at(0.1), None, "nobody was seen near it");
    }

    #[test]
    fn nothing_is_told_before_enough_people_were_seen() {
        let after = |people: usize| of(std::iter::repeat_n((0.62, 0.25), people)).at(0.62);
        assert_eq!(after(LEAST - 1), None);
        assert!((after(LEAST).unwrap() - 0.25).abs() < 0.001);
    }

    #[test]
    fn one_who_stands_there_is_one_and_some_who_are_half_hidden_change_nothing() {
        let mut tracker = Tracker::new(vec![PERSON], StartConfidence::same(0.3));
        let mut heights = HeightLearner::default();
        for second in 0..60 {
            let bbox = BBox::try_new(0.2, 0.37, 0.26, 0.62).unwrap();
            let seen = Detection { class: PERSON, confidence: 0.8, bbox };
            tracker.update(&FrameStamp::at_secs(f64::from(second), 0), &[seen]).iter().for_each(|p| heights.learn(p));
        }
        assert_eq!(heights.learned().at(0.62), None, "one person is one height");
        let half_hidden = of(std::iter::repeat_n((0.62, 0.25), LEAST).chain([(0.62, 0.12); 5]));
        assert!((half_hidden.at(0.62).unwrap() - 0.25).abs() < 0.001);
    }

    #[test]
    fn the_ground_below_what_hangs_is_found() {
        let (foot, height) = of_a_street().below(0.5, 0.8).unwrap();
        // foot = 0.5 + 0.8 (foot - 0.1) / 2.
        assert!((foot - 0.46 / 0.6).abs() < 0.02 && (height - (foot - 0.1) / 2.0).abs() < 0.02, "{foot} {height}");
        assert_eq!(PersonHeights::default().below(0.5, 0.8), None);
    }
}
