//! Error check: what in an event cannot be right.
//!
//! A clock that was set while an incident was open leaves times in the wrong order. That is nobody's mistake that could be corrected
//! later, so that it is mended here and the event says so. Whatever else is wrong keeps the event back.

use crate::contract::{IncidentEvent, MapPoint, Matter, WallTime, first_mistake, matter, to_json};
use std::time::Duration;

/// Largest event, below the packet limits that brokers commonly set.
const MAX_EVENT_BYTES: usize = 64 * 1024;
/// Disorder of times that is not worth a word: a camera's clock beside the box's.
const USUAL_DISORDER: Duration = Duration::from_secs(2);
/// Name of the flag of an event whose times were in disorder.
pub(super) const FLAG_TIMES: &str = "times_in_disorder";

/// Why an event must not leave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// Another code or name than that of the table of matters.
    #[error("the matter of kind {0} is not that of the table")]
    Matter(&'static str),
    /// The point is outside the area of its reference system.
    #[error("the point {0} lies outside the area of its reference system")]
    Coordinates(String),
    /// Too large.
    #[error("the event has {0} bytes; {MAX_EVENT_BYTES} are allowed")]
    TooLarge(usize),
    /// Not what the published schema allows.
    #[error("the event is not as its schema says: {0}")]
    Schema(String),
}

/// Mends what can be mended; true if something was. An error is what can not.
pub(super) fn check(event: &mut IncidentEvent) -> Result<bool, Defect> {
    let is_mended = put_times_in_order(event);
    check_matter(&event.data.matter)?;
    if let Some(point) = event.data.place.as_ref().and_then(|place| place.point) {
        check_point(&point)?;
    }
    let bytes = to_json(event);
    if bytes.len() > MAX_EVENT_BYTES {
        return Err(Defect::TooLarge(bytes.len()));
    }
    // From the bytes that would leave: a number that JSON does not know is only seen there.
    let value = serde_json::from_slice(&bytes).map_err(|error| Defect::Schema(error.to_string()))?;
    first_mistake("incident", &value).map_or(Ok(is_mended), |mistake| Err(Defect::Schema(mistake)))
}

/// First seen, confirmed, last seen, closed or told: none is later than the next. What is, is taken back to it. True if a clock must have
/// been set in between.
fn put_times_in_order(event: &mut IncidentEvent) -> bool {
    let timing = &mut event.data.timing;
    let end = timing.closed_at.unwrap_or(event.time);
    let mut worst = Duration::ZERO;
    let mut no_later = |time: &mut WallTime, than: WallTime| {
        if time.instant() > than.instant() {
            worst = worst.max(time.instant().duration_since(than.instant()).unsigned_abs());
            *time = than;
        }
    };
    no_later(&mut timing.last_seen, end);
    no_later(&mut timing.confirmed_at, timing.last_seen);
    no_later(&mut timing.first_seen, timing.confirmed_at);
    let is_mended = worst > USUAL_DISORDER;
    if is_mended {
        event.data.quality.flags.push(FLAG_TIMES.to_owned());
    }
    is_mended
}

fn check_matter(given: &Matter) -> Result<(), Defect> {
    if matter(given.kind) == given { Ok(()) } else { Err(Defect::Matter(given.kind.as_str())) }
}

fn check_point(point: &MapPoint) -> Result<(), Defect> {
    let MapPoint { lon, lat, crs, .. } = point;
    if crs.covers(*lon, *lat) { Ok(()) } else { Err(Defect::Coordinates(format!("{lon}, {lat} ({crs:?})"))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Crs, RuleKind};
    use crate::contract::tests::event;
    use crate::incident::Phase;
    use jiff::tz::TimeZone;

    fn checked(spoil: impl FnOnce(&mut IncidentEvent)) -> (Result<bool, Defect>, IncidentEvent) {
        let mut event = event(Phase::Opened, 0);
        spoil(&mut event);
        (check(&mut event), event)
    }

    fn time(text: &str) -> WallTime {
        WallTime::new(text.parse().unwrap(), &TimeZone::UTC)
    }

    #[test]
    fn an_event_as_it_should_be_passes_unchanged() {
        let (outcome, checked) = checked(|_| {});
        assert_eq!((outcome, &checked), (Ok(false), &event(Phase::Opened, 0)));
    }

    #[test]
    fn times_that_a_set_clock_left_in_disorder_are_put_in_order_and_the_event_says_so() {
        let (outcome, event) = checked(|event| event.data.timing.first_seen = time("2026-11-21T08:26:37Z"));
        assert_eq!(outcome, Ok(true));
        assert_eq!(event.data.timing.first_seen, event.data.timing.confirmed_at);
        assert_eq!(event.data.quality.flags, [FLAG_TIMES]);
        let (outcome, event) = checked(|event| event.data.timing.last_seen = time("2026-11-21T07:29:42.500Z"));
        assert_eq!(outcome, Ok(false), "a second is not worth a word");
        assert_eq!(event.data.timing.last_seen.instant(), event.time.instant());
    }

    #[test]
    fn a_code_that_the_table_does_not_have_is_kept_back() {
        let (outcome, _) = checked(|event| event.data.matter.code = Some("99999".into()));
        assert_eq!(outcome, Err(Defect::Matter(RuleKind::StreetVending.as_str())));
    }

    #[test]
    fn a_point_outside_the_area_of_its_reference_system_is_kept_back() {
        let at = |lon, lat, crs| {
            checked(|event| {
                let place = event.data.place.as_mut().unwrap();
                place.point = Some(MapPoint { lon, lat, crs, accuracy_m: None });
            })
        };
        assert_eq!(at(119.98, 30.27, Crs::Gcj02).0, Ok(false));
        assert_eq!(at(2.35, 48.85, Crs::Wgs84).0, Ok(false));
        for (lon, lat, crs) in [(2.35, 48.85, Crs::Gcj02), (30.27, 89.98, Crs::Cgcs2000), (181.0, 0.0, Crs::Wgs84)] {
            assert!(matches!(at(lon, lat, crs).0, Err(Defect::Coordinates(_))), "{lon} {lat}");
        }
    }

    #[test]
    fn what_the_schema_does_not_allow_is_kept_back() {
        let (outcome, _) = checked(|event| event.data.timing.dwell_secs = f64::NAN);
        assert!(matches!(&outcome, Err(Defect::Schema(why)) if why.contains("dwell_secs")), "{outcome:?}");
        let (outcome, _) = checked(|event| event.data.objects[0].stationary_secs = -1.0);
        assert!(matches!(&outcome, Err(Defect::Schema(_))), "{outcome:?}");
        let (outcome, _) = checked(|event| event.data.camera.name = Some("长".repeat(30_000)));
        assert!(matches!(outcome, Err(Defect::TooLarge(_))), "{outcome:?}");
    }
}
