//! The staged suite: what a scene shows is found and scored, and a truth that is wrong lowers the score.
#![cfg(feature = "staging")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use curbwatch::clock::{Clocks, SystemClocks};
use curbwatch::evaluate::{MistakeKind, evaluate};
use curbwatch::geometry::BBox;
use curbwatch::stage::Footage;
use curbwatch::suite::{self, Half, Outcome, SuiteScene};
use std::sync::Arc;

fn scene(name: &str) -> SuiteScene {
    suite::scenes(Half::Tune).into_iter().find(|scene| scene.name == name).unwrap()
}

fn play(scene: &SuiteScene, footage: &Footage) -> Outcome {
    let clocks: Arc<dyn Clocks> = Arc::new(SystemClocks::new());
    suite::play(scene, footage, None, &mut |_: &curbwatch::contract::IncidentEvent| Ok(()), &clocks).unwrap()
}

#[test]
fn a_stall_is_found_where_and_while_it_is_reportable() {
    let footage = Footage::load(&curbwatch::install::footage("vtest.avi").unwrap()).unwrap();
    let (by_day, permitted) = (scene("stall-by-day"), scene("stall-in-permitted-hours"));
    let found = play(&by_day, &footage);
    let score = found.report.total();
    assert_eq!((score.reportable, score.found, score.false_alarms, score.duplicates), (1, 1, 0, 0), "{score:?}");
    assert_eq!(found.report.mistakes, []);
    let none = play(&permitted, &footage);
    assert_eq!((none.truth.things.len(), none.report.total().reportable, none.events.len()), (1, 0, 0));

    // The same events against a truth that says otherwise.
    let mut elsewhere = found.truth.clone();
    elsewhere.things[0].bbox = BBox::try_new(0.0, 0.0, 0.1, 0.1).unwrap();
    let report = evaluate(&elsewhere, &found.events, by_day.script.start);
    assert_eq!((report.total().recall(), report.total().precision()), (Some(0.0), Some(0.0)));
    let mut permitted = found.truth;
    permitted.things[0].is_reportable = false;
    let report = evaluate(&permitted, &found.events, by_day.script.start);
    assert_eq!(report.mistakes.iter().map(|mistake| mistake.what).collect::<Vec<_>>(), [MistakeKind::FalseAlarm]);
}
