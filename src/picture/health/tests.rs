//! Every state against synthetic pictures, and what must not raise one.

use super::*;
use crate::picture::test_pictures::{HEIGHT, Luma, WIDTH, stamp};
use proptest::prelude::*;

/// A camera with a clock: every picture is shown for a time, two a second, with fresh noise.
struct Camera {
    health: Health,
    sample: LumaSample,
    half_seconds: u32,
    noise: f32,
    changes: Vec<(PictureState, f64)>,
}

impl Camera {
    /// It has looked at this picture for a minute.
    fn used_to(picture: &Luma) -> Self {
        let sample = LumaSample::new();
        let health = Health::new(Limits::default());
        let mut camera = Self { health, sample, half_seconds: 0, noise: 2.0, changes: Vec::new() };
        camera.sees(picture, 60);
        assert_eq!(camera.changes, []);
        camera
    }

    fn now(&self) -> f64 {
        f64::from(self.half_seconds) / 2.0
    }

    fn sees(&mut self, picture: &Luma, secs: u32) -> &mut Self {
        self.sees_each(secs, |_| picture.clone())
    }

    /// Shows `picture(second)`.
    fn sees_each(&mut self, secs: u32, picture: impl Fn(f32) -> Luma) -> &mut Self {
        for step in 0..2 * secs {
            let shown = picture(step as f32 / 2.0);
            let shown = if self.noise > 0.0 { shown.noisy(self.noise, u64::from(self.half_seconds)) } else { shown };
            self.sample = shown.sample();
            self.observe(0);
        }
        self
    }

    fn observe(&mut self, corrupt_frames: u64) {
        let stamp = stamp(self.now());
        if let Some(change) = self.health.observe(&stamp, &self.sample, corrupt_frames) {
            assert_eq!(change.state, self.health.state());
            self.changes.push((change.state, change.since.media.0.as_secs_f64()));
        }
        self.half_seconds += 1;
    }

    fn states(&self) -> Vec<PictureState> {
        self.changes.iter().map(|(state, _)| *state).collect()
    }
}

/// The picture of a street becomes another for two minutes and is itself again: the states told.
fn states_over(picture: impl Fn(&Luma) -> Luma) -> Vec<PictureState> {
    let street = Luma::street(7);
    let mut camera = Camera::used_to(&street);
    let trouble = picture(&street);
    camera.sees(&trouble, 90).sees(&street, 40);
    if let Some((_, since)) = camera.changes.first() {
        assert!((since - 60.0).abs() < 1e-6, "told since {since}, began at 60");
    }
    camera.states()
}

#[test]
fn each_trouble_is_told_and_ends() {
    use PictureState::{Blurred, Bright, Covered, Dark, Moved, Ok};
    assert_eq!(states_over(|_| Luma::filled(70)), [Covered, Ok], "a plate in front of the lens");
    assert_eq!(states_over(|_| Luma::filled(17)), [Covered, Ok], "a black bag by day");
    assert_eq!(states_over(|street| street.map(|luma| 190.0 + luma)), [Bright, Ok]);
    assert_eq!(states_over(|street| street.blurred(5)), [Blurred, Ok]);
    assert_eq!(states_over(|street| street.moved(40, 0)), [Moved, Ok], "a shift of a sixteenth");
    assert_eq!(states_over(|street| street.moved(-25, 18)), [Moved, Ok]);
    assert_eq!(states_over(|_| Luma::street(99)), [Moved, Ok], "it looks elsewhere");
    let by_night = |street: &Luma| street.map(|luma| 16.0 + 0.35 * (luma - 16.0));
    let street = Luma::street(7);
    let mut camera = Camera::used_to(&street);
    camera.sees(&by_night(&street), 60).sees(&Luma::filled(18), 60).sees(&by_night(&street), 60);
    assert_eq!(camera.states(), [Dark, Ok], "the lamps go out by night");
}

#[test]
fn a_mended_picture_is_ok_since_it_was_seen_mended() {
    let street = Luma::street(7);
    let mut camera = Camera::used_to(&street);
    camera.sees(&Luma::filled(70), 60).sees(&street, 30);
    assert_eq!(camera.changes, [(PictureState::Covered, 60.0), (PictureState::Ok, 120.0)]);
}

#[test]
fn what_is_over_soon_is_not_told() {
    let street = Luma::street(7);
    let mut camera = Camera::used_to(&street);
    for trouble in [Luma::filled(17), Luma::filled(90), street.moved(40, 0), street.blurred(6), Luma::filled(235)] {
        camera.sees(&trouble, 5).sees(&street, 30);
    }
    assert_eq!(camera.states(), []);
}

#[test]
fn fog_that_comes_slowly_is_no_cover() {
    let street = Luma::street(7);
    let mut camera = Camera::used_to(&street);
    camera.sees_each(900, |secs| {
        let contrast = (1.0 - secs / 850.0).max(0.0);
        street.map(|luma| 150.0 + (luma - 150.0) * contrast)
    });
    assert!(!camera.states().contains(&PictureState::Covered), "{:?}", camera.states());
}

#[test]
fn a_lorry_before_the_lens_hides_half_the_scene_and_is_neither_cover_nor_movement() {
    let street = Luma::street(7);
    let mut camera = Camera::used_to(&street);
    let mut lorry = street.clone();
    lorry.fill(80, 40, 400, 300, 200);
    for rib in 0..12 {
        lorry.fill(90 + 32 * rib, 60, 6, 240, 150);
    }
    camera.sees(&lorry, 120);
    assert_eq!(camera.states(), []);
}

#[test]
fn frozen_is_told_after_half_a_minute_without_the_least_difference_and_only_then() {
    let street = Luma::street(7);
    let mut camera = Camera::used_to(&street);
    camera.noise = 0.0;
    camera.sees(&street, 30);
    assert_eq!(camera.states(), []);
    camera.sees(&street, 2);
    assert_eq!(camera.states(), [PictureState::Frozen]);
    camera.noise = 2.0;
    camera.sees(&street, 4);
    assert_eq!(camera.states(), [PictureState::Frozen, PictureState::Ok]);
}

#[test]
fn damage_is_told_when_it_goes_on_and_ends() {
    let street = Luma::street(7);
    let mut camera = Camera::used_to(&street);
    camera.observe(5);
    for _ in 0..20 {
        camera.observe(5);
    }
    assert!(!camera.states().contains(&PictureState::Corrupt), "once is not again and again");
    for corrupt in 6..30 {
        camera.observe(corrupt);
    }
    assert_eq!(camera.states(), [PictureState::Corrupt]);
    let mut grey = street.clone();
    grey.fill(0, HEIGHT / 2, WIDTH, HEIGHT / 2, 128);
    let mut camera = Camera::used_to(&street);
    camera.noise = 0.0;
    camera.sees(&grey, 10);
    assert_eq!(camera.states(), [PictureState::Corrupt], "half a picture of missing reference");
    camera.noise = 2.0;
    camera.sees(&street, 60);
    assert_eq!(camera.states(), [PictureState::Corrupt, PictureState::Ok]);
}

#[test]
fn a_moved_camera_is_suspended_until_it_returns_or_someone_acknowledges() {
    let street = Luma::street(7);
    let mut camera = Camera::used_to(&street);
    camera.sees(&street.moved(60, 20), 40);
    assert!(camera.health.is_suspended());
    camera.sees(&Luma::filled(17), 30).sees(&street.moved(60, 20), 30);
    assert!(camera.health.is_suspended(), "a cover over a moved camera does not bring it back");
    camera.health.acknowledge();
    camera.sees(&street.moved(60, 20), 60);
    assert!(!camera.health.is_suspended());
    assert_eq!(camera.health.state(), PictureState::Ok);
    camera.sees(&street, 40);
    assert!(camera.health.is_suspended(), "the acknowledged view is the known one now");
}

#[test]
fn a_camera_turned_while_the_stream_was_away_is_noticed() {
    let street = Luma::street(7);
    let mut camera = Camera::used_to(&street);
    for step in 0..60 {
        camera.sample = street.moved(60, 0).noisy(2.0, step).sample();
        let stamp = FrameStamp { segment: 1, ..stamp(1000.0 + 0.5 * step as f64) };
        camera.health.observe(&stamp, &camera.sample, 0);
    }
    assert!(camera.health.is_suspended());
}

#[test]
fn a_camera_covered_from_the_first_frame_is_told() {
    let mut camera = Camera {
        health: Health::new(Limits::default()),
        sample: LumaSample::new(),
        half_seconds: 0,
        noise: 2.0,
        changes: Vec::new(),
    };
    camera.sees(&Luma::filled(70), 15);
    assert_eq!(camera.states(), [PictureState::Covered]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn light_contrast_noise_and_sway_are_no_trouble(
        seed in 0_u64..1000,
        gain in 0.3_f32..1.1,
        lift in 0.0_f32..40.0,
        noise in 1.0_f32..6.0,
        sway in prop::collection::vec((-2_isize..=2, -1_isize..=1), 8),
    ) {
        let street = Luma::street(seed);
        let mut camera = Camera::used_to(&street);
        camera.noise = noise;
        let seen: Vec<Luma> = sway
            .iter()
            .map(|&(across, down)| street.moved(across, down).map(|luma| (luma - 16.0) * gain + 16.0 + lift))
            .collect();
        camera.sees_each(60, |second| seen[(2.0 * second) as usize % seen.len()].clone());
        prop_assert_eq!(camera.states(), []);
    }

    #[test]
    fn an_infrared_switch_is_no_trouble(seed in 0_u64..1000, dark_turns_bright in 60.0_f32..140.0) {
        let street = Luma::street(seed);
        let dusk = street.map(|luma| 16.0 + 0.3 * (luma - 16.0));
        // Leaves and asphalt exchange their tones.
        let infrared = street.map(|luma| 30.0 + 0.8 * if luma < dark_turns_bright { 200.0 - luma } else { 0.6 * luma });
        let mut camera = Camera::used_to(&street);
        camera.sees(&dusk, 30).sees(&Luma::filled(16), 2).sees(&infrared, 60).sees(&Luma::filled(16), 2);
        camera.sees(&street, 60);
        prop_assert_eq!(camera.states(), []);
    }

    #[test]
    fn every_shift_beyond_what_zones_tolerate_is_noticed(
        seed in 0_u64..1000,
        across in 24_isize..90,
        down in 0_isize..50,
        is_left in any::<bool>(),
    ) {
        let street = Luma::street(seed);
        let mut camera = Camera::used_to(&street);
        camera.sees(&street.moved(if is_left { -across } else { across }, down), 40);
        prop_assert_eq!(camera.states(), [PictureState::Moved]);
    }
}
