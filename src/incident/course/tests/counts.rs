//! What the stages of a course count.

use super::*;
use crate::quality::{QualityStage, Tally};

fn tally(passed: u64, stopped: u64) -> Tally {
    Tally { passed, stopped, changed: 0 }
}

#[test]
fn each_sight_is_counted_by_the_stage_that_decided_it() {
    let mut street = Street::new();
    // Opens at second 18, the frame number 36; from second 30 on it is another track, and another one at 40.
    let found =
        street.play(0.0, 50.0, |s, t| vec![s.sighting(if t < 30.0 { 0 } else { t as usize / 10 - 2 }, 0.5, true)]);
    assert_eq!(phases(&found), [Phase::Opened]);
    let frames_after = ((50.0 - found[0].0) / STEP) as u64 - 1;
    let tallies = street.course.take_tallies();
    assert_eq!(tallies.of(QualityStage::RuleCheck), tally(100, 0));
    assert_eq!(tallies.of(QualityStage::Duplicates), tally(1, 2));
    assert_eq!(tallies.of(QualityStage::Redundancy), tally(1, frames_after));
    assert_eq!(street.course.take_tallies(), Tallies::default(), "counted once");
}

#[test]
fn what_is_muted_or_dismissed_is_stopped_by_the_rule_check() {
    let mut street = Street::new();
    street.course.mute(at(1_000.0, 0).wall);
    assert_eq!(street.play(0.0, 50.0, |s, _| vec![s.sighting(0, 0.5, true)]), []);
    let muted = street.course.take_tallies();
    let Tally { passed, stopped, .. } = muted.of(QualityStage::RuleCheck);
    assert!(stopped >= 60 && passed + stopped == 100, "{passed} {stopped}");
    assert_eq!(muted.of(QualityStage::Redundancy), tally(0, 0));

    let mut street = Street::new();
    let opened = street.play(0.0, 30.0, |s, _| vec![s.sighting(0, 0.5, true)]).remove(0).1.incident;
    street.course.dismiss(opened.id, at(1_000.0, 0).wall, &at(30.0, 0)).unwrap();
    street.course.take_tallies();
    assert_eq!(street.play(30.0, 60.0, |s, _| vec![s.sighting(0, 0.5, true)]), []);
    assert_eq!(street.course.take_tallies().of(QualityStage::RuleCheck), tally(0, 60));
}
