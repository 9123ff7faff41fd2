use super::*;
use proptest::prelude::*;

const PERSON: u16 = 0;
const CAR: u16 = 1;
const TRUCK: u16 = 2;

fn at(secs: f64, segment: u32) -> FrameStamp {
    FrameStamp::at_secs(secs, segment)
}

fn seen(class: u16, confidence: f32, cx: f32) -> Detection {
    Detection { class, confidence, bbox: BBox::try_from_center(cx, 0.5, 0.1, 0.1).unwrap() }
}

/// Cars and trucks are one association group.
fn tracker() -> Tracker {
    Tracker::new(vec![0, 1, 1], StartConfidence::same(0.3))
}

#[test]
fn a_walker_keeps_its_number_at_any_cadence() {
    for dt in [0.2, 1.0, 2.0] {
        let mut tracker = tracker();
        let mut ids = std::collections::BTreeSet::new();
        for step in 0..10 {
            let secs = f64::from(step) * dt;
            let x = 0.1 + 0.03 * secs as f32;
            ids.extend(tracker.update(&at(secs, 0), &[seen(PERSON, 0.8, x)]).iter().map(Track::id));
        }
        assert_eq!(ids.len(), 1, "interval {dt} s");
    }
}

#[test]
fn a_van_that_flickers_between_classes_is_one_and_takes_the_surer_class() {
    let mut tracker = tracker();
    for step in 0..20 {
        let (class, confidence) = if step % 3 == 0 { (TRUCK, 0.9) } else { (CAR, 0.3) };
        tracker.update(&at(f64::from(step), 0), &[seen(class, confidence, 0.5)]);
    }
    assert_eq!(tracker.tracks.len(), 1);
    assert_eq!(tracker.tracks[0].class(), TRUCK);
    assert_eq!(tracker.tracks[0].stationary(), Duration::from_secs(19));
    let both = [seen(CAR, 0.8, 0.5), seen(TRUCK, 0.7, 0.5)];
    assert_eq!(tracker.update(&at(20.0, 0), &both).len(), 1, "both classes in one frame are one object");
}

#[test]
fn a_thing_that_is_seen_now_in_part_and_now_whole_is_found_again_where_it_was() {
    let parasol = |bottom: f32| Detection {
        class: PERSON,
        confidence: 0.5,
        bbox: BBox::try_new(0.68, 0.38, 0.85, bottom).unwrap(),
    };
    let mut tracker = tracker();
    // With its pole, then without it, then not at all: what looks like motion is none.
    for (step, bottom) in [0.64, 0.59, 0.53, 0.53].into_iter().enumerate() {
        tracker.update(&at(0.5 * step as f64, 0), &[parasol(bottom)]);
    }
    for step in 4..8 {
        tracker.update(&at(0.5 * f64::from(step), 0), &[]);
    }
    let tracks = tracker.update(&at(4.0, 0), &[parasol(0.54)]);
    assert_eq!(tracks.len(), 1, "{tracks:?}");
}

#[test]
fn faint_detections_continue_a_track_but_start_none() {
    let mut tracker = tracker();
    assert!(tracker.update(&at(0.0, 0), &[seen(CAR, 0.12, 0.5)]).is_empty());
    tracker.update(&at(1.0, 0), &[seen(CAR, 0.6, 0.5)]);
    let tracks = tracker.update(&at(2.0, 0), &[seen(CAR, 0.12, 0.5)]);
    assert!(tracks.len() == 1 && tracks[0].is_seen());
}

#[test]
fn what_a_detection_needs_to_start_a_track_depends_on_its_class_and_the_light() {
    let start = |light: Light, class: u16, confidence: f32| {
        let truck = ByLight { day: 0.2, night: 0.6 };
        let general = ByLight { day: 0.3, night: 0.5 };
        let mut tracker = Tracker::new(vec![0, 1, 1], StartConfidence::new(general, [(TRUCK, truck)].into()));
        tracker.see_by(light);
        !tracker.update(&at(0.0, 0), &[seen(class, confidence, 0.5)]).is_empty()
    };
    assert!(start(Light::Day, TRUCK, 0.21) && !start(Light::Day, CAR, 0.21));
    assert!(start(Light::Night, CAR, 0.55) && !start(Light::Night, TRUCK, 0.55));
    assert!(start(Light::Day, CAR, 0.31) && !start(Light::Night, CAR, 0.31));
}

#[test]
fn what_was_followed_by_day_is_followed_on_by_night_below_the_nights_confidence() {
    let general = ByLight { day: 0.3, night: 0.6 };
    let mut tracker = Tracker::new(vec![0, 1, 1], StartConfidence::new(general, BTreeMap::new()));
    let id = tracker.update(&at(0.0, 0), &[seen(CAR, 0.4, 0.5)])[0].id();
    tracker.see_by(Light::Night);
    for (secs, confidence) in [(1.0, 0.4), (2.0, 0.12), (3.0, 0.3)] {
        let tracks = tracker.update(&at(secs, 0), &[seen(CAR, confidence, 0.5)]);
        assert!(tracks.len() == 1 && tracks[0].id() == id && tracks[0].is_seen(), "{secs}");
    }
}

#[test]
fn a_standing_thing_survives_occlusion_that_a_moving_one_does_not() {
    let mut tracker = tracker();
    for step in 0..=10 {
        tracker.update(&at(f64::from(step), 0), &[seen(CAR, 0.8, 0.5), seen(PERSON, 0.8, 0.1 + 0.02 * step as f32)]);
    }
    let van = tracker.tracks.iter().find(|t| t.class() == CAR).unwrap().id();
    for step in 11..=30 {
        tracker.update(&at(f64::from(step), 0), &[]);
    }
    assert_eq!(tracker.tracks.iter().map(Track::id).collect::<Vec<_>>(), [van], "nothing of the person is left");
    let tracks = tracker.update(&at(31.0, 0), &[seen(CAR, 0.8, 0.5)]);
    assert_eq!((tracks.len(), tracks[0].id()), (1, van));
    assert_eq!(tracks[0].stationary(), Duration::from_secs(31));
}

#[test]
fn an_interruption_counts_as_neither_standing_nor_absence() {
    let mut tracker = tracker();
    for step in 0..=10 {
        tracker.update(&at(f64::from(step), 0), &[seen(CAR, 0.8, 0.5)]);
    }
    let tracks = tracker.update(&at(3_600.0, 1), &[seen(CAR, 0.8, 0.5)]);
    assert_eq!((tracks.len(), tracks[0].stationary()), (1, Duration::from_secs(10)));
}

#[test]
fn driving_on_resets_the_standing_time() {
    let mut tracker = tracker();
    for step in 0..=10 {
        tracker.update(&at(f64::from(step), 0), &[seen(CAR, 0.8, 0.5)]);
    }
    for step in 11..=16 {
        tracker.update(&at(f64::from(step), 0), &[seen(CAR, 0.8, 0.5 + 0.03 * (step - 10) as f32)]);
    }
    assert!(tracker.tracks[0].stationary() < Duration::from_secs(5));
}

proptest! {
    #[test]
    fn a_flood_stays_within_the_bound_and_never_panics(
        frames in proptest::collection::vec(
            proptest::collection::vec((0u16..5, 0.1f32..1.0, 0f32..1.0, 0f32..1.0, 0.001f32..0.9), 0..40), 1..8),
        intervals in proptest::collection::vec(0.0f64..20.0, 8),
    ) {
        let mut tracker = tracker();
        let mut secs = 0.0;
        for (frame, interval) in frames.iter().zip(intervals) {
            secs += interval;
            let mut detections: Vec<_> = frame.iter().map(|&(class, confidence, cx, cy, size)| Detection {
                class, confidence, bbox: BBox::try_from_center(cx, cy, size, size).unwrap() }).collect();
            detections.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
            let tracks = tracker.update(&at(secs, 0), &detections);
            prop_assert!(tracks.len() <= MAX_TRACKS);
            let mut ids: Vec<_> = tracks.iter().map(Track::id).collect();
            ids.dedup();
            prop_assert_eq!(ids.len(), tracks.len());
        }
    }
}

#[test]
fn a_standing_thing_whose_box_flickers_is_one_at_key_frames_and_stays_where_it_is_while_hidden() {
    let mut tracker = tracker();
    let boxed =
        |bottom: f32| Detection { class: CAR, confidence: 0.6, bbox: BBox::try_new(0.66, 0.37, 0.82, bottom).unwrap() };
    // As a detector saw a parasol with a table below it: with and without the table.
    for (step, bottom) in [0.61, 0.61, 0.62, 0.61, 0.54, 0.61, 0.54].into_iter().enumerate() {
        tracker.update(&at(2.0 * step as f64, 0), &[boxed(bottom)]);
    }
    assert_eq!(tracker.tracks.len(), 1);
    assert_eq!(tracker.tracks[0].stationary(), Duration::from_secs(12));
    tracker.update(&at(14.0, 0), &[]);
    let hidden = tracker.update(&at(24.0, 0), &[])[0].bbox();
    assert!(hidden.iou(&boxed(0.54).bbox) > 0.9, "{hidden:?}");
}

#[test]
fn a_thing_came_half_way_between_its_first_sight_and_the_frame_before() {
    for (before, stood) in [(0.5, 0.25), (2.0, 1.0), (4.0, 1.0)] {
        let mut tracker = tracker();
        tracker.update(&at(0.0, 0), &[]);
        let first = tracker.update(&at(before, 0), &[seen(CAR, 0.8, 0.5)]);
        assert_eq!(first[0].stationary(), Duration::from_secs_f64(stood), "{before} s after the frame before");
        let second = tracker.update(&at(before + 1.0, 0), &[seen(CAR, 0.8, 0.5)]);
        assert_eq!(second[0].stationary(), Duration::from_secs_f64(stood + 1.0));
    }
    let mut tracker = tracker();
    let after_a_gap = tracker.update(&at(0.0, 0), &[seen(CAR, 0.8, 0.5)])[0].stationary();
    assert_eq!(after_a_gap, Duration::ZERO, "nothing is known of the time before");
}
