//! Wall time of a frame: the camera's own where it can be believed, else its arrival at this box.

use crate::clock::ClockQuality;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// Seconds from the NTP era 0 (1900) to the Unix epoch (RFC 5905, section 6).
const NTP_TO_UNIX_SECS: u64 = 2_208_988_800;

/// A camera whose clock is further than this from the box's is not believed.
const MAX_OFFSET: SignedDuration = SignedDuration::from_secs(10);

/// Before this time (2025-01-01) this box's clock is certainly not set.
const CLOCK_IS_SET_AFTER: Timestamp = Timestamp::constant(1_735_689_600, 0);

/// When a frame was taken, as well as it can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WallTime {
    pub(super) wall: Timestamp,
    pub(super) quality: ClockQuality,
    /// Camera clock minus box clock, believed or not.
    pub(super) offset: Option<SignedDuration>,
}

/// Chooses between the camera's time, `ntp` since 1900 as its RTCP sender reports map it (RFC 3550, section 6.4.1), and
/// the frame's arrival at this box.
pub(super) fn wall_time(arrival: Timestamp, ntp: Option<Duration>) -> WallTime {
    let camera = ntp.and_then(timestamp_from_ntp);
    let offset = camera.map(|camera| camera.duration_since(arrival));
    if arrival < CLOCK_IS_SET_AFTER {
        return WallTime { wall: arrival, quality: ClockQuality::Unsynchronised, offset };
    }
    match (camera, offset) {
        (Some(wall), Some(offset)) if offset.abs() <= MAX_OFFSET => {
            WallTime { wall, quality: ClockQuality::CameraNtp, offset: Some(offset) }
        }
        (_, offset) => WallTime { wall: arrival, quality: ClockQuality::Arrival, offset },
    }
}

/// None before 1970 and beyond jiff's range: cameras that never had the time report seconds since they were switched on.
fn timestamp_from_ntp(ntp: Duration) -> Option<Timestamp> {
    let since_unix = ntp.checked_sub(Duration::from_secs(NTP_TO_UNIX_SECS))?;
    Timestamp::new(i64::try_from(since_unix.as_secs()).ok()?, since_unix.subsec_nanos().cast_signed()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival() -> Timestamp {
        "2026-11-21T07:29:41.120Z".parse().unwrap()
    }

    fn ntp(at: Timestamp) -> Duration {
        let unix = Duration::try_from(at.duration_since(Timestamp::UNIX_EPOCH)).unwrap();
        unix + Duration::from_secs(NTP_TO_UNIX_SECS)
    }

    #[test]
    fn a_plausible_camera_clock_is_believed() {
        let camera = arrival() - Duration::from_millis(250);
        let found = wall_time(arrival(), Some(ntp(camera)));
        assert_eq!((found.wall, found.quality), (camera, ClockQuality::CameraNtp));
        assert_eq!(found.offset, Some(SignedDuration::from_millis(-250)));
    }

    #[test]
    fn a_camera_clock_that_is_far_off_is_reported_and_not_believed() {
        for camera in [arrival() + Duration::from_secs(11), arrival() - Duration::from_hours(1), Timestamp::UNIX_EPOCH]
        {
            let found = wall_time(arrival(), Some(ntp(camera)));
            assert_eq!((found.wall, found.quality), (arrival(), ClockQuality::Arrival));
            assert_eq!(found.offset, Some(camera.duration_since(arrival())));
        }
    }

    #[test]
    fn no_camera_clock_and_one_that_counts_from_1900_give_the_arrival() {
        for absent in [None, Some(Duration::from_secs(17)), Some(Duration::MAX)] {
            let expected = WallTime { wall: arrival(), quality: ClockQuality::Arrival, offset: None };
            assert_eq!(wall_time(arrival(), absent), expected);
        }
    }

    #[test]
    fn a_box_without_the_time_says_so() {
        let box_time = Timestamp::UNIX_EPOCH + Duration::from_secs(40);
        assert_eq!(wall_time(box_time, Some(ntp(arrival()))).quality, ClockQuality::Unsynchronised);
    }
}
