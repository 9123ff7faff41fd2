//! What the gate admits and what it does not, on synthetic pictures.

use super::*;
use crate::picture::test_pictures::{Luma, stamp};
use proptest::prelude::*;

const MAX_IDLE: Duration = Duration::from_secs(10);

fn lower_half() -> Polygon {
    Polygon::try_new(&[[0.0, 0.5], [1.0, 0.5], [1.0, 1.0], [0.0, 1.0]]).unwrap()
}

/// A gate that has seen a noisy still street for half a minute, four frames a second, and the next free second.
fn used_to(street: &Luma) -> Gate {
    let mut gate = Gate::new([&lower_half()], MAX_IDLE);
    for frame in 0..120_u32 {
        gate.admit(&stamp(f64::from(frame) / 4.0), &street.noisy(2.0, u64::from(frame)).sample(), false);
    }
    gate
}

#[test]
fn an_unchanged_scene_is_inferred_once_per_idle_limit() {
    let gate = used_to(&Luma::street(3));
    assert_eq!(gate.counts(), GateCounts { changed: 0, busy: 0, idle: 3, unchanged: 117 });
}

#[test]
fn an_idle_limit_of_half_a_minute_is_kept_at_key_frames() {
    let street = Luma::street(3);
    let mut gate = Gate::new([&lower_half()], Duration::from_secs(30));
    for key in 0..50_u32 {
        gate.admit(&stamp(f64::from(2 * key)), &street.noisy(2.0, u64::from(key)).sample(), false);
    }
    assert_eq!(gate.counts(), GateCounts { changed: 0, busy: 0, idle: 4, unchanged: 46 });
}

#[test]
fn a_person_who_steps_into_a_zone_is_a_change_and_one_far_above_it_is_not() {
    let street = Luma::street(3);
    let (mut within, mut above) = (street.clone(), street.clone());
    within.fill(300, 260, 12, 30, 240);
    above.fill(300, 20, 12, 30, 240);
    let mut gate = used_to(&street);
    assert!(!gate.admit(&stamp(29.8), &above.noisy(2.0, 501).sample(), false));
    assert!(gate.admit(&stamp(29.9), &within.noisy(2.0, 502).sample(), false));
    assert_eq!(gate.counts().changed, 1);
}

#[test]
fn what_has_come_to_rest_is_looked_at_for_a_while() {
    let street = Luma::street(3);
    let mut parked = street.clone();
    parked.fill(300, 240, 80, 50, 235);
    let mut gate = used_to(&street);
    let frames = (0..40).map(|frame| 31.0 + f64::from(frame) / 4.0);
    let admitted: Vec<f64> = frames
        .filter(|&secs| gate.admit(&stamp(secs), &parked.noisy(2.0, (secs * 8.0) as u64).sample(), false))
        .collect();
    assert_eq!(admitted.len(), 17, "{admitted:?}");
    assert!((admitted[16] - 35.0).abs() < 1e-6, "{admitted:?}");
}

#[test]
fn every_frame_is_inferred_while_something_is_pending() {
    let street = Luma::street(3);
    let mut gate = used_to(&street);
    assert!((0..20).all(|frame| gate.admit(
        &stamp(31.0 + f64::from(frame) / 4.0),
        &street.noisy(2.0, 900).sample(),
        true
    )));
    assert_eq!(gate.counts().busy, 20);
}

#[test]
fn a_new_segment_is_looked_at() {
    let street = Luma::street(3);
    let mut gate = used_to(&street);
    assert!(gate.admit(&FrameStamp { segment: 1, ..stamp(30.25) }, &street.sample(), false));
}

#[test]
fn what_creeps_is_noticed() {
    let street = Luma::street(3);
    let mut gate = Gate::new([&lower_half()], Duration::from_hours(1));
    let noticed = (0..240_u32).map(|frame| {
        let mut scene = street.clone();
        // A door that opens by a pixel in two seconds.
        scene.fill(300, 220, 1 + frame as usize / 8, 80, 235);
        gate.admit(&stamp(f64::from(frame) / 4.0), &scene.noisy(1.0, u64::from(frame)).sample(), false)
    });
    assert!(noticed.skip(1).any(|admitted| admitted));
}

#[test]
fn a_block_that_always_sways_is_no_change_in_the_end() {
    let street = Luma::street(3);
    let mut gate = Gate::new([&lower_half()], MAX_IDLE);
    let mut shown = |from: u32, to: u32| {
        let before = gate.counts().changed;
        for frame in from..to {
            let mut leaves = street.clone();
            leaves.shade(400, 200, 60, 40, (frame * 7 % 9) as i16);
            gate.admit(&stamp(f64::from(frame) / 4.0), &leaves.noisy(2.0, u64::from(frame)).sample(), false);
        }
        gate.counts().changed - before
    };
    shown(0, 1200);
    assert_eq!(shown(1200, 1600), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn noise_and_slow_light_admit_nothing(seed in 0_u64..1000, noise in 0.0_f32..4.0, drift in -0.01_f32..0.01) {
        let street = Luma::street(seed);
        let mut gate = Gate::new([&lower_half()], MAX_IDLE);
        for frame in 0..200_u32 {
            let secs = frame as f32 / 4.0;
            let seen = street.map(|luma| 16.0 + (luma - 16.0) * (1.0 + drift * secs).clamp(0.7, 1.1));
            gate.admit(&stamp(f64::from(secs)), &seen.noisy(noise, u64::from(frame)).sample(), false);
        }
        prop_assert_eq!(gate.counts().changed, 0);
    }

    #[test]
    fn the_longest_pause_is_bounded(steps in prop::collection::vec(0.04_f64..3.0, 10..80)) {
        let sample = Luma::filled(100).sample();
        let mut gate = Gate::new([], MAX_IDLE);
        let (mut now, mut last) = (0.0, 0.0);
        for step in steps {
            now += step;
            if gate.admit(&stamp(now), &sample, false) {
                last = now;
            }
            prop_assert!(now - last < MAX_IDLE.as_secs_f64());
        }
    }
}
