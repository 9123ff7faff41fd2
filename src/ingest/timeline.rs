//! One camera's media timeline: strictly increasing over jumps, resets, wrap-arounds and reconnects.
//!
//! In: presentation times of one connection after another, with the monotonic time of their arrival. Out: media time
//! and segment. Within a segment media time advances exactly as the stream says; a new segment begins where the stream
//! was interrupted or its time cannot be believed, and goes on after the monotonic time that has passed. Where pictures are
//! decoded late, the timeline goes back to them, within the segment. Pure: reads no clock, cannot fail.

use crate::clock::{MediaTime, Mono};
use std::time::Duration;

/// The smallest step between two frames: what an interruption is worth if no time passed.
const LEAST_STEP: Duration = Duration::from_micros(1);

/// Where a frame lies on the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Placed {
    /// Later than that of every frame before.
    pub(crate) media: MediaTime,
    /// Counts interruptions, from 0.
    pub(crate) segment: u32,
}

/// A camera's media timeline over all of its connections.
#[derive(Debug)]
pub(super) struct Timeline {
    max_gap: Duration,
    last: Option<Last>,
    interrupted: bool,
    segment: u32,
    jumps: u64,
}

/// The frame placed last.
#[derive(Debug, Clone, Copy)]
struct Last {
    media: MediaTime,
    pts: Duration,
    mono: Mono,
    segment: u32,
    /// Where its segment began, on both.
    began: (Duration, MediaTime),
}

impl Timeline {
    /// An empty timeline. A step forward of more than `max_gap` is an interruption.
    pub(super) fn new(max_gap: Duration) -> Self {
        Self { max_gap, last: None, interrupted: false, segment: 0, jumps: 0 }
    }

    /// The stream was interrupted: the next frame begins a segment, whatever its time.
    pub(super) fn interrupt(&mut self) {
        self.interrupted = true;
    }

    /// Steps back, or too far forward, that were seen within a connection.
    pub(super) fn jumps(&self) -> u64 {
        self.jumps
    }

    /// Places a frame with this presentation time, which arrived at `mono`. None if it was placed before: a decoder that
    /// starts over gives the key frame a second time.
    pub(super) fn place(&mut self, pts: Duration, mono: Mono) -> Option<Placed> {
        let media = match self.last {
            None => MediaTime::default(),
            Some(last) if pts == last.pts && !self.interrupted => return None,
            Some(last) => MediaTime(last.media.0.saturating_add(self.step(&last, pts, mono))),
        };
        let of_this_segment = self.last.filter(|last| last.segment == self.segment);
        let began = of_this_segment.map_or((pts, media), |last| last.began);
        self.interrupted = false;
        self.last = Some(Last { media, pts, mono, segment: self.segment, began });
        Some(Placed { media, segment: self.segment })
    }

    /// Goes back to a picture of the present segment that is decoded late, so that it and those after it are placed where they
    /// belong. Nothing happens if the picture is not of the past, or of another segment.
    pub(super) fn go_back(&mut self, pts: Duration) {
        if let Some(last) = &mut self.last
            && !self.interrupted
            && (last.began.0..last.pts).contains(&pts)
        {
            let (began_pts, began_media) = last.began;
            // Just before it, since it is about to be placed. The first picture of a segment has nothing before it.
            let back = pts.saturating_sub(began_pts).saturating_sub(LEAST_STEP);
            (last.pts, last.media) = (began_pts + back, MediaTime(began_media.0 + back));
        }
    }

    /// How far the timeline advances; counts the segment if one begins.
    fn step(&mut self, last: &Last, pts: Duration, mono: Mono) -> Duration {
        let step = pts.checked_sub(last.pts).filter(|step| *step <= self.max_gap);
        match step {
            Some(step) if !self.interrupted => return step,
            None if !self.interrupted => self.jumps += 1,
            Some(_) | None => {}
        }
        self.segment += 1;
        mono.since(last.mono).max(LEAST_STEP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secs(value: f64) -> Duration {
        Duration::from_secs_f64(value)
    }

    fn at(media_secs: f64, segment: u32) -> Placed {
        Placed { media: MediaTime(secs(media_secs)), segment }
    }

    fn timeline() -> Timeline {
        Timeline::new(secs(10.0))
    }

    #[test]
    fn within_a_connection_media_time_advances_as_the_stream_says() {
        let mut timeline = timeline();
        // Arrival is late and uneven; the stream's own time counts.
        assert_eq!(timeline.place(secs(5.0), Mono(secs(1.0))), Some(Placed::default()));
        assert_eq!(timeline.place(secs(5.04), Mono(secs(1.5))), Some(at(0.04, 0)));
        assert_eq!(timeline.place(secs(9.04), Mono(secs(1.6))), Some(at(4.04, 0)));
        assert_eq!(timeline.jumps(), 0);
    }

    #[test]
    fn a_reconnect_begins_a_segment_after_the_time_that_passed() {
        let mut timeline = timeline();
        timeline.place(secs(100.0), Mono(secs(1.0)));
        timeline.interrupt();
        let placed = timeline.place(secs(100.04), Mono(secs(31.0)));
        assert_eq!(placed, Some(at(30.0, 1)));
        assert_eq!(timeline.place(secs(100.08), Mono(secs(31.0))), Some(at(30.04, 1)));
        assert_eq!(timeline.jumps(), 0);
    }

    #[test]
    fn a_step_back_or_far_forward_begins_a_segment_and_is_counted() {
        let mut timeline = timeline();
        timeline.place(secs(50.0), Mono(secs(1.0)));
        assert_eq!(timeline.place(secs(0.0), Mono(secs(1.04))), Some(at(0.04, 1)));
        assert_eq!(timeline.place(secs(4000.0), Mono(secs(1.08))), Some(at(0.08, 2)));
        assert_eq!(timeline.jumps(), 2);
    }

    #[test]
    fn an_interruption_before_the_first_frame_is_none() {
        let mut timeline = timeline();
        timeline.interrupt();
        assert_eq!(timeline.place(secs(3.0), Mono(secs(9.0))), Some(Placed::default()));
    }

    #[test]
    fn pictures_decoded_late_are_placed_where_they_belong() {
        let mut timeline = timeline();
        timeline.place(secs(100.0), Mono(secs(0.0)));
        timeline.interrupt();
        for pts in [3.0, 5.0, 7.0] {
            timeline.place(secs(pts), Mono(secs(pts)));
        }
        timeline.go_back(secs(5.04));
        let placed = [5.04, 5.08, 7.0, 7.04].map(|pts| timeline.place(secs(pts), Mono(secs(7.1))).unwrap());
        assert_eq!(placed, [5.04, 5.08, 7.0, 7.04].map(|pts| at(pts, 1)));
        assert_eq!(timeline.jumps(), 0);
        timeline.go_back(secs(2.0));
        assert_eq!(
            timeline.place(secs(7.08), Mono(secs(7.2))),
            Some(at(7.08, 1)),
            "another segment is not gone back to"
        );
    }

    #[test]
    fn a_picture_given_twice_is_placed_once() {
        let mut timeline = timeline();
        timeline.place(secs(5.0), Mono(secs(1.0)));
        assert_eq!(timeline.place(secs(5.0), Mono(secs(3.0))), None);
        assert_eq!(timeline.place(secs(5.04), Mono(secs(3.0))), Some(at(0.04, 0)));
    }

    proptest! {
        #[test]
        fn media_time_rises_strictly_and_segments_never_fall(
            frames in prop::collection::vec((0_u64..40_000_000, 0_u64..30_000_000, prop::bool::weighted(0.1)), 1..200)
        ) {
            let mut timeline = timeline();
            let (mut mono, mut last) = (Duration::ZERO, None::<(Placed, Mono)>);
            for (pts_us, wait_us, interrupt) in frames {
                mono += Duration::from_micros(wait_us);
                if interrupt {
                    timeline.interrupt();
                }
                let Some(placed) = timeline.place(Duration::from_micros(pts_us), Mono(mono)) else { continue };
                if let Some((before, at)) = last {
                    prop_assert!(placed.media > before.media);
                    prop_assert!(placed.segment >= before.segment);
                    let step = placed.media.since(before.media);
                    let allowed = if placed.segment == before.segment { secs(10.0) } else { Mono(mono).since(at).max(LEAST_STEP) };
                    prop_assert!(step <= allowed);
                    prop_assert!(!interrupt || placed.segment == before.segment + 1);
                }
                last = Some((placed, Mono(mono)));
            }
        }
    }
}
