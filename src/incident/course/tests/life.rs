//! What happens to an incident beside coming and going: windows, escalation, changed looks, mutes, dismissals, returns.

use super::*;
use crate::incident::Severity;
use crate::schedule::{Calendar, Schedule, Window};
use jiff::tz::TimeZone;

const UMBRELLA: u16 = 1;
const TABLE: u16 = 2;

/// Wall time after so many seconds of a test.
fn wall(secs: f64) -> Timestamp {
    at(secs, 0).wall
}

/// A sighting of an object per class, as wide as a share of the frame.
fn stall(street: &Street, lane: usize, classes: &[u16], width: f32) -> Sighting {
    let mut sighting = street.sighting(lane, 0.5, true);
    sighting.bbox = BBox::try_from_center(0.5, 0.5, width, 0.1).unwrap();
    let object = sighting.objects[0];
    sighting.objects = classes.iter().map(|class| crate::scene::SeenObject { class: *class, ..object }).collect();
    sighting
}

/// A street that is muted, dismissed, stopped: what of its course is remembered.
fn memory(street: &mut Street, found: &[(f64, Transition)]) -> Memory {
    let mut memory = Memory::default();
    for memo in street.course.take_memos() {
        memory.take(&memo);
    }
    for (_, transition) in found {
        memory.note(&transition.incident);
    }
    memory
}

#[test]
fn nothing_counts_or_opens_while_it_is_permitted_and_what_is_open_is_closed_then() {
    // A test begins at 08:00:00 UTC: permitted from 08:01 to 08:02.
    let calendar = Calendar { time_zone: TimeZone::UTC, holidays: vec![] };
    let hours = Window { hours: Some("08:01-08:02".parse().unwrap()), ..Window::default() };
    let schedule = Schedule::new(Arc::new(calendar), vec![hours], vec![]);
    let mut street = Street::with(Terms { schedule, ..terms() });
    assert_eq!(wall(0.0).to_string(), "2027-01-15T08:00:00Z");
    let found = street.play(0.0, 200.0, |s, _| vec![s.sighting(0, 0.5, true)]);
    assert_eq!(phases(&found), [Phase::Opened, Phase::Closed, Phase::Opened]);
    let (closed, again) = (&found[1], &found[2]);
    assert_eq!((closed.0, closed.1.incident.closed_reason), (60.0, Some(ClosedReason::Permitted)));
    assert!((137.5..=139.0).contains(&again.0), "the dwell begins anew after the window: {}", again.0);
    assert_eq!(again.1.incident.continues, Some(closed.1.incident.id));
}

#[test]
fn it_grows_graver_with_time_and_says_so_once_per_step() {
    let escalate = vec![(Duration::from_mins(1), Severity::High), (Duration::from_mins(2), Severity::Critical)];
    let mut street = Street::with(Terms { escalate, ..terms() });
    let found = street.play(0.0, 300.0, |s, _| vec![s.sighting(0, 0.5, true)]);
    assert_eq!(phases(&found), [Phase::Opened, Phase::Updated, Phase::Updated]);
    let told: Vec<_> = found.iter().map(|(_, t)| (t.incident.severity, t.incident.revision)).collect();
    assert_eq!(told, [(Severity::Normal, 0), (Severity::High, 1), (Severity::Critical, 2)]);
    assert!((57.5..=59.0).contains(&found[1].0), "{}", found[1].0);
}

#[test]
fn a_material_change_is_told_once_and_flicker_never() {
    let mut street = Street::with(Terms { mixes_classes: true, ..terms() });
    let found = street.play(0.0, 400.0, |s, t| match t {
        0.0..100.0 => vec![stall(s, 0, &[UMBRELLA], 0.1)],
        // A detector that sees a table in one frame of three.
        100.0..200.0 if (t as u32).is_multiple_of(3) => vec![stall(s, 0, &[UMBRELLA, TABLE], 0.1)],
        100.0..200.0 => vec![stall(s, 0, &[UMBRELLA], 0.1)],
        200.0..300.0 => vec![stall(s, 0, &[UMBRELLA, TABLE], 0.1)],
        _ => vec![stall(s, 0, &[UMBRELLA, TABLE], 0.2)],
    });
    assert_eq!(phases(&found), [Phase::Opened, Phase::Updated, Phase::Updated]);
    assert!((220.0..=235.0).contains(&found[1].0), "a table joined: {}", found[1].0);
    assert_eq!(found[1].1.incident.objects.len(), 2);
    assert!((325.0..=335.0).contains(&found[2].0), "it doubled: {}", found[2].0);
}

#[test]
fn what_comes_back_to_its_place_soon_continues_the_incident_and_later_does_not() {
    let mut street = Street::new();
    let there = |secs: f64| (0.0..40.0).contains(&secs) || (200.0..260.0).contains(&secs) || secs >= 1_000.0;
    let found = street.play(0.0, 1_100.0, |s, t| if there(t) { vec![s.sighting(0, 0.5, true)] } else { vec![] });
    let opened: Vec<_> = found.iter().filter(|(_, t)| t.phase == Phase::Opened).map(|(_, t)| &t.incident).collect();
    let continued: Vec<_> = opened.iter().map(|incident| incident.continues).collect();
    assert_eq!(continued, [None, Some(opened[0].id), None]);
}

#[test]
fn a_clock_set_back_makes_what_comes_no_return_of_an_earlier_one() {
    let mut street = Street::new();
    let there = |secs: f64| [0.0..40.0, 600.0..640.0, 1_200.0..1_240.0].iter().any(|stay| stay.contains(&secs));
    let mut opened = Vec::new();
    for second in 0..1_240u32 {
        let secs = f64::from(second);
        // Set back so far that the third stay begins when the first had just ended.
        let set_back = jiff::SignedDuration::from_secs(if second < 1_100 { 0 } else { 1_150 });
        let stamp = FrameStamp { wall: at(secs, 0).wall - set_back, ..at(secs, 0) };
        let seen = if there(secs) { vec![street.sighting(0, 0.5, true)] } else { vec![] };
        let transitions = street.course.advance(&stamp, Some(Duration::from_secs(1)), &seen, &mut street.ids);
        opened.extend(transitions.into_iter().filter(|t| t.phase == Phase::Opened).map(|t| t.incident.continues));
    }
    assert_eq!(opened, [None, None, None]);
}

#[test]
fn a_continuation_is_known_after_a_restart() {
    let mut before = Street::new();
    let found = before.play(0.0, 100.0, |s, t| if t < 40.0 { vec![s.sighting(0, 0.5, true)] } else { vec![] });
    let mut after = Street::new();
    after.course.restore(&memory(&mut before, &found));
    let again = after.play(100.0, 150.0, |s, _| vec![s.sighting(2, 0.5, true)]);
    assert_eq!(again[0].1.incident.continues, Some(found[0].1.incident.id));
}

#[test]
fn a_muted_rule_opens_what_stands_there_when_the_time_has_come() {
    let mut street = Street::new();
    street.course.mute(wall(100.0));
    let found = street.play(0.0, 150.0, |s, _| vec![s.sighting(0, 0.5, true)]);
    assert_eq!(phases(&found), [Phase::Opened]);
    assert!((100.0..=100.5).contains(&found[0].0), "{}", found[0].0);
    let mut gone = Street::new();
    gone.course.mute(wall(100.0));
    assert_eq!(gone.play(0.0, 150.0, |s, t| if t < 60.0 { vec![s.sighting(0, 0.5, true)] } else { vec![] }), []);
}

#[test]
fn a_dismissed_thing_is_closed_and_not_reported_until_the_time_has_come() {
    let mut street = Street::new();
    let opened = street.play(0.0, 30.0, |s, _| vec![s.sighting(0, 0.5, true)]).remove(0).1.incident;
    let closed = street.course.dismiss(opened.id, wall(500.0), &at(30.0, 0)).unwrap().unwrap();
    assert_eq!((closed.phase, closed.incident.closed_reason), (Phase::Closed, Some(ClosedReason::Dismissed)));
    assert_eq!(street.course.dismiss(opened.id, wall(500.0), &at(31.0, 0)), Ok(None), "twice is once");
    // It stands there, is carried off, comes back; another stall beside it is a thing of its own.
    let seen = |s: &Street, t: f64| {
        let own = if (100.0..200.0).contains(&t) { vec![] } else { vec![s.sighting(0, 0.5, true)] };
        own.into_iter().chain((t >= 300.0).then(|| s.sighting(1, 0.65, true))).collect()
    };
    let found = street.play(30.0, 499.0, seen);
    assert_eq!(phases(&found), [Phase::Opened]);
    assert!(found[0].0 > 300.0 && found[0].1.incident.bbox.center().x > 0.6);
    let found = street.play(500.0, 540.0, seen);
    assert_eq!(phases(&found), [Phase::Opened], "its time has come");
}

#[test]
fn a_dismissal_is_kept_over_a_restart_and_ends_when_the_thing_changes() {
    let mut before = Street::with(Terms { mixes_classes: true, ..terms() });
    let mut found = before.play(0.0, 30.0, |s, _| vec![stall(s, 0, &[UMBRELLA], 0.1)]);
    let id = found[0].1.incident.id;
    found.push((30.0, before.course.dismiss(id, wall(9_000.0), &at(30.0, 0)).unwrap().unwrap()));
    let mut after = Street::with(Terms { mixes_classes: true, ..terms() });
    after.course.restore(&memory(&mut before, &found));
    assert_eq!(after.play(60.0, 600.0, |s, _| vec![stall(s, 2, &[UMBRELLA], 0.1)]), []);
    let changed = after.play(600.0, 700.0, |s, _| vec![stall(s, 2, &[UMBRELLA, TABLE], 0.2)]);
    assert_eq!(phases(&changed), [Phase::Opened]);
    assert!(after.course.take_memos().contains(&Memo::DismissalOver(id)));
}

#[test]
fn the_short_stays_of_a_mobile_vendor_add_up_and_he_is_one_incident() {
    let roaming = Terms { stays_within: Some(Duration::from_mins(2)), clear: Duration::from_mins(1), ..terms() };
    // Ten seconds here, thirty on the way, ten seconds there.
    let stays = |s: &Street, t: f64| {
        let stay = (t / 40.0) as usize;
        let x = 0.2 + 0.2 * (stay % 4) as f32;
        if t % 40.0 < 10.0 { vec![s.sighting(stay % 4, x, true)] } else { vec![] }
    };
    let mut street = Street::with(roaming.clone());
    let found = street.play(0.0, 400.0, stays);
    assert_eq!(phases(&found), [Phase::Opened]);
    assert!((40.0..100.0).contains(&found[0].0), "the second or third stay makes twenty seconds: {}", found[0].0);
    assert_eq!(Street::new().play(0.0, 400.0, stays), [], "of no interest to a rule about things that stay");
    let mut rare = Street::with(roaming);
    let rarely = rare.play(0.0, 900.0, |s, t| if t % 300.0 < 10.0 { vec![s.sighting(0, 0.5, true)] } else { vec![] });
    assert_eq!(rarely, [], "too long ago");
}

#[test]
fn a_short_stay_ends_half_way_to_the_first_frame_without_it() {
    let (dwell, stays_within) = (Duration::from_secs(22), Some(Duration::from_mins(2)));
    let mut street = Street::with(Terms { dwell, stays_within, ..terms() });
    // A frame every four seconds; he is seen from 0 to 8 and from 28 on.
    let opened: Vec<i32> = (0..15)
        .map(|frame| 4 * frame)
        .filter(|&secs| {
            let seen = if (12..28).contains(&secs) { vec![] } else { vec![street.sighting(0, 0.5, true)] };
            !street.frame(f64::from(secs), 0, &seen).is_empty()
        })
        .collect();
    // 2 + 8 + 2 and 2 + 8 seconds.
    assert_eq!(opened, [36]);
}

#[test]
fn what_creeps_through_the_zone_does_not_add_up_to_a_dwell() {
    let mut street = Street::new();
    // A tenth of its width per second, on one track: it never stands anywhere for the dwell.
    let found = street.play(0.0, 60.0, |s, t| vec![s.sighting(0, 0.2 + 0.01 * t as f32, true)]);
    assert_eq!(found, []);
    let found = street.play(60.0, 90.0, |s, _| vec![s.sighting(0, 0.8, true)]);
    assert_eq!(phases(&found), [Phase::Opened], "and is reported where it comes to rest");
}

#[test]
fn a_thing_moved_while_nobody_would_miss_it_yet_is_one() {
    let mut street = Street::new();
    // Gone for three seconds only, and another track a width further on.
    let found = street.play(0.0, 100.0, |s, t| match t {
        0.0..40.0 => vec![s.sighting(0, 0.4, true)],
        40.0..43.0 => vec![],
        _ => vec![s.sighting(2, 0.49, true)],
    });
    assert_eq!(phases(&found), [Phase::Opened]);
    assert_eq!(street.course.active().len(), 1);
}

#[test]
fn things_of_other_classes_at_one_place_are_two() {
    let mut street = Street::new();
    let found = street.play(0.0, 60.0, |s, t| {
        if t < 40.0 { vec![stall(s, 0, &[UMBRELLA], 0.1)] } else { vec![stall(s, 1, &[TABLE], 0.1)] }
    });
    let later = street.play(60.0, 90.0, |s, _| vec![stall(s, 1, &[TABLE], 0.1)]);
    let phases: Vec<_> = phases(&found).into_iter().chain(phases(&later)).collect();
    assert_eq!(
        phases,
        [Phase::Opened, Phase::Closed, Phase::Opened],
        "a bicycle that stands where a car was is not that car"
    );
}

#[test]
fn where_an_incident_stands_is_noted_when_it_moves_but_not_every_frame() {
    let mut street = Street::new();
    street.play(0.0, 30.0, |s, _| vec![s.sighting(0, 0.4, true)]);
    assert_eq!(street.course.take_memos(), []);
    street.play(30.0, 130.0, |s, t| vec![s.sighting(0, 0.4 + 0.001 * (t - 30.0) as f32, true)]);
    let notes = street.course.take_memos();
    assert!((2..=4).contains(&notes.len()), "{} in 100 s", notes.len());
    let Some(Memo::Standing(last)) = notes.last() else { panic!("{notes:?}") };
    assert!(last.bbox.center().x > 0.45 && last.dwell_secs > 90.0);
    let mut after = Street::new();
    after.course.restore(&Memory { open: vec![last.clone()], ..Memory::default() });
    assert_eq!(after.play(0.0, 60.0, |s, _| vec![s.sighting(3, 0.5, true)]), [], "found where it stood last");
}

#[test]
fn an_interruption_leaves_it_stale_until_someone_looks() {
    let mut street = Street::new();
    street.play(0.0, 30.0, |s, _| vec![s.sighting(0, 0.5, true)]);
    assert!(!street.course.is_undecided());
    street.frame(4_000.0, 1, &[]);
    assert!(street.course.is_undecided(), "nobody knows whether it is there");
    let there = street.sighting(0, 0.5, true);
    street.frame(4_001.0, 1, &[there]);
    assert!(!street.course.is_undecided());
}
