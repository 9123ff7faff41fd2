//! What becomes a static object and what does not, on synthetic streets.

use super::*;
use crate::picture::test_pictures::{HEIGHT, Luma, WIDTH, frame};

/// The lower two thirds.
fn zone() -> Polygon {
    Polygon::try_new(&[[0.0, 0.3], [1.0, 0.3], [1.0, 1.0], [0.0, 1.0]]).unwrap()
}

/// A street that is watched, a frame every `step` seconds.
struct Watched {
    statics: Statics,
    step: f64,
    secs: f64,
}

impl Watched {
    fn new(step: f64) -> Self {
        Self { statics: Statics::new(vec![zone()]), step, secs: 0.0 }
    }

    /// Shows scenes for so long; returns the most objects there were at once, and those at the end.
    fn show(&mut self, secs: f64, scene: impl Fn(f64) -> Luma) -> (usize, Vec<StaticObject>) {
        self.show_with(secs, scene, |_| None)
    }

    fn show_with(
        &mut self,
        secs: f64,
        scene: impl Fn(f64) -> Luma,
        mover: impl Fn(f64) -> Option<Mover>,
    ) -> (usize, Vec<StaticObject>) {
        let (end, mut most) = (self.secs + secs, 0);
        while self.secs < end {
            let picture = scene(self.secs).noisy(2.0, (self.secs * 20.0) as u64);
            self.statics.see(&frame(picture.pixels, WIDTH, HEIGHT));
            let observed = Duration::from_secs_f64(self.step);
            most = most.max(self.statics.advance(Some(observed), mover(self.secs).into_iter()).len());
            self.secs += self.step;
        }
        (most, self.statics.objects().to_vec())
    }
}

const LEFT: usize = 300;
const TOP: usize = 200;
const SIDE: usize = 48;

/// Crates of slats at a place.
fn with_crates(street: &Luma, left: usize, top: usize) -> Luma {
    let mut picture = street.clone();
    picture.fill(left, top, SIDE, SIDE, 150);
    for slat in 0..SIDE / 8 {
        picture.fill(left, top + 8 * slat, SIDE, 3, 70);
    }
    picture.fill(left + SIDE / 2, top, 3, SIDE, 60);
    picture
}

fn bbox(left: usize, top: usize, width: usize, height: usize) -> BBox {
    let share = |at: usize, of: usize| at as f32 / of as f32;
    BBox::try_new(share(left, WIDTH), share(top, HEIGHT), share(left + width, WIDTH), share(top + height, HEIGHT))
        .unwrap()
}

fn seen(bbox: BBox) -> Mover {
    Mover { bbox, is_seen: true }
}

fn looked_for(bbox: BBox) -> Mover {
    Mover { bbox, is_seen: false }
}

fn crates_box() -> BBox {
    bbox(LEFT, TOP, SIDE, SIDE)
}

#[test]
fn crates_that_are_put_down_are_one_thing_at_their_place_at_any_cadence() {
    let street = Luma::street(3);
    for step in [0.25, 1.0, 2.0, 4.0] {
        let mut watched = Watched::new(step);
        assert_eq!(watched.show(30.0, |_| street.clone()).0, 0, "an empty street, {step} s");
        let (most, objects) = watched.show(40.0, |_| with_crates(&street, LEFT, TOP));
        assert_eq!((most, objects.len()), (1, 1), "{step} s");
        assert!(objects[0].bbox.iou(&crates_box()) > 0.7, "{:?}, {step} s", objects[0].bbox);
        let standing = objects[0].standing.as_secs_f64();
        assert!((standing - 40.0).abs() <= 2.0 + 2.0 * step, "stands for {standing} s, {step} s");
    }
}

#[test]
fn what_is_taken_away_is_gone_and_leaves_no_ghost() {
    let street = Luma::street(3);
    let mut watched = Watched::new(1.0);
    watched.show(30.0, |_| street.clone());
    assert_eq!(watched.show(120.0, |_| with_crates(&street, LEFT, TOP)).1.len(), 1);
    let (_, objects) = watched.show(20.0, |_| street.clone());
    assert_eq!(objects, []);
    assert_eq!(watched.show(120.0, |_| street.clone()).0, 0);
}

#[test]
fn what_was_not_noticed_while_it_stood_is_not_after_it_has_left() {
    let street = Luma::street(3);
    let mut unnoticed = 0;
    for (step, stays) in [(0.5, 12.5), (0.5, 13.0), (1.0, 12.0), (1.0, 13.0), (1.0, 14.0), (2.0, 14.0), (2.0, 16.0)] {
        let mut watched = Watched::new(step);
        watched.show(20.0, |_| street.clone());
        if watched.show(stays, |_| with_crates(&street, LEFT, TOP)).0 == 0 {
            unnoticed += 1;
            assert_eq!(watched.show(20.0, |_| street.clone()).0, 0, "{stays} s, a frame every {step} s");
        }
    }
    assert!(unnoticed >= 3, "{unnoticed} stays are shorter than what is noticed");
}

#[test]
fn what_stood_there_from_the_start_and_leaves_is_no_thing() {
    for seed in [3, 4, 5, 6] {
        let street = Luma::street(seed);
        let mut watched = Watched::new(1.0);
        watched.show(60.0, |_| with_crates(&street, LEFT, TOP));
        assert_eq!(watched.show(120.0, |_| street.clone()).0, 0, "street {seed}");
    }
}

#[test]
fn a_shadow_and_a_lamp_are_no_things() {
    for by in [0.5, 0.7, 1.3] {
        let street = Luma::street(3);
        let shaded = || {
            let mut picture = street.clone();
            for row in picture.pixels.chunks_exact_mut(WIDTH).skip(150).take(90) {
                row[200..360].iter_mut().for_each(|luma| *luma = (16.0 + (f32::from(*luma) - 16.0) * by) as u8);
            }
            picture
        };
        let mut watched = Watched::new(1.0);
        watched.show(30.0, |_| street.clone());
        assert_eq!(watched.show(90.0, |_| shaded()).0, 0, "light by {by}");
        assert_eq!(watched.show(90.0, |_| street.clone()).0, 0, "light by {by} ends");
    }
}

#[test]
fn changing_light_is_no_thing_and_hides_none() {
    let street = Luma::street(3);
    let mut watched = Watched::new(1.0);
    let lit = |picture: &Luma, secs: f64| {
        let light = 1.0 - 0.25 * (secs / 20.0).sin() as f32;
        picture.map(|luma| 16.0 + (luma - 16.0) * light * 0.8)
    };
    assert_eq!(watched.show(120.0, |secs| lit(&street, secs)).0, 0);
    let crates = with_crates(&street, LEFT, TOP);
    let (most, objects) = watched.show(240.0, |secs| lit(&crates, secs));
    assert_eq!((most, objects.len()), (1, 1));
}

#[test]
fn who_walks_in_front_hides_it_and_changes_nothing() {
    let street = Luma::street(3);
    let crates = with_crates(&street, LEFT, TOP);
    let mut watched = Watched::new(1.0);
    watched.show(30.0, |_| street.clone());
    let before = watched.show(30.0, |_| crates.clone()).1;
    // Nobody detects these: a man stands in front for 6 of every 12 s.
    let hidden = |secs: f64| {
        let mut picture = crates.clone();
        if secs % 12.0 < 6.0 {
            picture.fill(LEFT - 10 + (secs * 3.0) as usize % 7, TOP - 30, 40, 90, 220);
        }
        picture
    };
    let (most, objects) = watched.show(240.0, hidden);
    assert_eq!((most, objects.len()), (1, 1));
    assert_eq!(objects[0].id, before[0].id);
    assert!(objects[0].standing.as_secs() > 260);
}

/// A man who stands on the street.
fn with_man(street: &Luma) -> Luma {
    let mut picture = street.clone();
    picture.fill(LEFT, 150, 30, 90, 220);
    picture.fill(LEFT, 180, 30, 20, 40);
    picture
}

fn man_box() -> BBox {
    bbox(LEFT, 150, 30, 90)
}

#[test]
fn a_person_who_stands_still_is_no_thing_and_nothing_of_him_stays() {
    let street = Luma::street(3);
    let mut watched = Watched::new(1.0);
    watched.show(30.0, |_| street.clone());
    assert_eq!(watched.show_with(300.0, |_| with_man(&street), |_| Some(seen(man_box()))).0, 0);
    assert_eq!(watched.show(60.0, |_| street.clone()).0, 0);
    let canvas = watched.statics.canvas.as_ref().unwrap();
    assert!(!canvas.backgrounds.recent.iter().any(|&luma| luma > 216 * backgrounds::STEPS), "his shirt is remembered");
}

#[test]
fn a_person_whom_the_detector_misses_in_every_other_frame_is_no_thing() {
    let street = Luma::street(3);
    let mut watched = Watched::new(1.0);
    watched.show(30.0, |_| street.clone());
    let found = |secs: f64| Some(Mover { bbox: man_box(), is_seen: (secs as u64).is_multiple_of(2) });
    assert_eq!(watched.show_with(120.0, |_| with_man(&street), found).0, 0);
}

#[test]
fn what_traffic_hides_for_half_of_the_time_is_noticed() {
    let street = Luma::street(3);
    let crates = with_crates(&street, LEFT, TOP);
    let mut watched = Watched::new(2.0);
    watched.show(30.0, |_| street.clone());
    // A lorry stops for four of eight seconds, and is looked for where it was for three more.
    let lorry = (LEFT - 150, 120, 380, 180);
    let stops = |secs: f64| secs % 8.0 < 4.0;
    let scene = |secs: f64| {
        let mut picture = crates.clone();
        if stops(secs) {
            picture.fill(lorry.0, lorry.1, lorry.2, lorry.3, 210);
        }
        picture
    };
    let place = bbox(lorry.0, lorry.1, lorry.2, lorry.3);
    let mover = |secs: f64| if stops(secs) { Some(seen(place)) } else { (secs % 8.0 < 7.0).then(|| looked_for(place)) };
    let (most, objects) = watched.show_with(48.0, scene, mover);
    assert_eq!((most, objects.len()), (1, 1));
    assert!(objects[0].bbox.iou(&crates_box()) > 0.7, "{objects:?}");
}

#[test]
fn what_stands_in_the_midst_of_changes_is_not_decided_about() {
    let street = Luma::street(3);
    let mut watched = Watched::new(1.0);
    watched.show(30.0, |_| street.clone());
    // The lamps of a car that waits, in a light that is never the same.
    let lamps = |secs: f64| {
        let mut picture = street.clone();
        let (around, light) = (SIDE / 2, if (secs as u64).is_multiple_of(2) { 230 } else { 120 });
        picture.fill(LEFT - around, TOP - around, SIDE + 2 * around, SIDE + 2 * around, light);
        with_crates(&picture, LEFT, TOP)
    };
    assert_eq!(watched.show(20.0, lamps).0, 0);
    assert_eq!(watched.show(30.0, |_| street.clone()).0, 0);
}

#[test]
fn a_sway_of_the_pole_is_no_thing() {
    let street = Luma::street(3);
    let mut watched = Watched::new(0.25);
    let sway = |picture: &Luma, secs: f64| {
        picture.moved((1.6 * (secs * 3.3).sin()).round() as isize, (1.2 * (secs * 2.3).cos()).round() as isize)
    };
    assert_eq!(watched.show(120.0, |secs| sway(&street, secs)).0, 0);
    let crates = with_crates(&street, LEFT, TOP);
    assert_eq!(watched.show(60.0, |secs| sway(&crates, secs)).1.len(), 1);
}

#[test]
fn a_thing_goes_on_after_a_restart_until_it_is_taken_away() {
    let street = Luma::street(3);
    let crates = with_crates(&street, LEFT, TOP);
    let mut watched = Watched::new(1.0);
    watched.statics.restore(crates_box(), Duration::from_mins(10));
    let (most, objects) = watched.show(120.0, |_| crates.clone());
    assert_eq!((most, objects.len()), (1, 1));
    assert!(objects[0].standing >= Duration::from_secs(719));
    assert_eq!(watched.show(30.0, |_| street.clone()).1, []);
}

#[test]
fn another_light_of_the_whole_scene_is_learned_anew_and_the_thing_stays() {
    let street = Luma::street(3);
    let crates = with_crates(&street, LEFT, TOP);
    let mut watched = Watched::new(1.0);
    watched.show(30.0, |_| street.clone());
    watched.show(60.0, |_| crates.clone());
    // As by infrared: dark becomes bright.
    let infrared = |picture: &Luma| picture.map(|luma| 235.0 - 0.7 * luma);
    let (most, objects) = watched.show(90.0, |_| infrared(&crates));
    assert_eq!((most, objects.len()), (1, 1));
    assert_eq!(watched.show(40.0, |_| infrared(&street)).1, []);
}

#[test]
fn things_apart_are_two_and_outside_the_zone_there_is_none() {
    let street = Luma::street(3);
    let mut watched = Watched::new(1.0);
    watched.show(30.0, |_| street.clone());
    let three = || with_crates(&with_crates(&with_crates(&street, 100, 200), 400, 250), 250, 20);
    assert_eq!(watched.show(40.0, |_| three()).1.len(), 2);
}

#[test]
fn what_is_put_beside_a_thing_is_more_of_it_and_what_stands_apart_is_another() {
    let street = Luma::street(3);
    for (apart, things) in [(12, 1), (160, 2)] {
        let mut watched = Watched::new(1.0);
        watched.show(30.0, |_| street.clone());
        let one = with_crates(&street, LEFT, TOP);
        assert_eq!(watched.show(40.0, |_| one.clone()).1.len(), 1);
        let both = with_crates(&one, LEFT + SIDE + apart, TOP);
        let (_, found) = watched.show(40.0, |_| both.clone());
        assert_eq!(found.len(), things, "{apart} pixels apart: {found:?}");
    }
}

#[test]
fn two_things_are_one_when_what_lies_between_them_settles() {
    let street = Luma::street(3);
    let mut watched = Watched::new(1.0);
    watched.show(30.0, |_| street.clone());
    let ends = with_crates(&with_crates(&street, 200, TOP), 320, TOP);
    let (_, apart) = watched.show(40.0, |_| ends.clone());
    assert_eq!(apart.len(), 2);
    let (_, whole) = watched.show(40.0, |_| with_crates(&ends, 260, TOP));
    assert_eq!(whole.len(), 1, "{whole:?}");
    assert_eq!(whole[0].id, apart[0].id.min(apart[1].id));
    assert!(whole[0].bbox.iou(&bbox(200, TOP, 168, SIDE)) > 0.7, "{whole:?}");
    assert_eq!(watched.show(30.0, |_| street.clone()).1, []);
}

#[test]
fn a_lamp_whose_light_ends_softly_is_no_thing() {
    let street = Luma::street(3).map(|luma| 16.0 + 0.3 * (luma - 16.0));
    let lit = || {
        let mut picture = street.clone();
        for (index, luma) in picture.pixels.iter_mut().enumerate() {
            let (across, down) = ((index % WIDTH) as f32 - 320.0, (index / WIDTH) as f32 - 220.0);
            let pool = (-(across / 90.0).powi(2) - (down / 50.0).powi(2)).exp();
            *luma = (16.0 + (f32::from(*luma) - 16.0) * (1.0 + 2.0 * pool)).min(235.0) as u8;
        }
        // What the lamp shows of a street has more in it than its multiple.
        picture.noisy(4.0, 7)
    };
    let mut watched = Watched::new(1.0);
    watched.show(30.0, |_| street.clone());
    assert_eq!(watched.show(60.0, |_| lit()).0, 0);
    assert_eq!(watched.show(60.0, |_| street.clone()).0, 0);
}

/// A heap from 200 to 344: three times crates, of which these stand there.
fn heap(street: &Luma, parts: impl IntoIterator<Item = usize>) -> Luma {
    parts.into_iter().fold(street.clone(), |picture, part| with_crates(&picture, 200 + SIDE * part, TOP))
}

#[test]
fn two_ends_of_a_heap_are_told_as_one_while_somebody_hides_its_middle() {
    let street = Luma::street(3);
    let somebody = |_| Some(seen(bbox(200 + SIDE - 2, TOP - 60, SIDE + 4, 60 + SIDE)));
    for (between, things) in [(vec![0, 1, 2], 1), (vec![0, 2], 2)] {
        let mut watched = Watched::new(1.0);
        watched.show(30.0, |_| street.clone());
        let (_, first) = watched.show_with(30.0, |_| heap(&street, [0]), somebody);
        assert_eq!(first.len(), 1);
        let (most, hidden) = watched.show_with(40.0, |_| heap(&street, [0, 2]), somebody);
        assert_eq!((most, hidden[0].id), (1, first[0].id));
        assert!(hidden[0].bbox.iou(&bbox(200, TOP, 3 * SIDE, SIDE)) > 0.7, "{hidden:?}");
        let (_, seen) = watched.show(40.0, |_| heap(&street, between.clone()));
        assert_eq!(seen.len(), things, "{seen:?}");
        assert_eq!(seen[0].id, first[0].id);
    }
}

#[test]
fn what_settles_between_two_parts_of_a_thing_is_a_part_and_no_ghost() {
    let street = Luma::street(3);
    let mut watched = Watched::new(1.0);
    watched.show(30.0, |_| street.clone());
    let (_, first) = watched.show(30.0, |_| heap(&street, [0]));
    let (_, apart) = watched.show(40.0, |_| heap(&street, [0, 2]));
    assert_eq!(apart.len(), 2, "ground is seen between them");
    let (_, whole) = watched.show(40.0, |_| heap(&street, [0, 1, 2]));
    assert_eq!((whole.len(), whole[0].id), (1, first[0].id), "{whole:?}");
}

#[test]
fn what_is_put_down_together_is_one_and_what_comes_later_is_another() {
    let street = Luma::street(3);
    let both = with_crates(&with_crates(&street, 200, TOP), 200 + SIDE + 40, TOP);
    for (later, things) in [(0.0, 1), (40.0, 2)] {
        let mut watched = Watched::new(1.0);
        watched.show(30.0, |_| street.clone());
        watched.show(later, |_| with_crates(&street, 200, TOP));
        let (_, found) = watched.show(40.0, |_| both.clone());
        assert_eq!(found.len(), things, "{later} s later: {found:?}");
        assert_eq!(watched.show(30.0, |_| street.clone()).1, []);
    }
}
