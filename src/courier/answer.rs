//! What a server's answer means for a message.

use super::Outcome;
use crate::contract::HttpTroubleKind as Kind;
use jiff::Timestamp;
use std::time::Duration;

/// Of what a server says beside its status, this many characters are repeated.
const MAX_SAID: usize = 200;

/// What a status means (RFC 9110, 15). `said` is the beginning of the answer's text.
pub(super) fn judge(status: u16, retry_after: Option<Duration>, said: &str) -> Outcome {
    let detail = detail(status, said);
    let unavailable = |kind| Outcome::Unavailable { kind, detail: detail.clone(), retry_after };
    match status {
        200..=299 => Outcome::Taken,
        401 | 403 | 407 => unavailable(Kind::NotAuthorised),
        // Nothing that is posted here would ever be taken: the address is meant, not the message.
        300..=399 | 404 | 405 | 410 => unavailable(Kind::WrongAddress),
        408 | 425 | 429 | 502..=504 => unavailable(Kind::Busy),
        400..=499 => Outcome::Rejected { reason: detail },
        _ => Outcome::Failed { detail },
    }
}

fn detail(status: u16, said: &str) -> String {
    let said: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SAID).collect();
    let said = said.trim();
    if said.is_empty() { format!("status {status}") } else { format!("status {status}: {said}") }
}

/// How long to wait according to a Retry-After header: seconds or a date (RFC 9110, 10.2.3).
pub(super) fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(secs) = header.trim().parse() {
        return Some(Duration::from_secs(secs));
    }
    let at = jiff::fmt::rfc2822::parse(header.trim()).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16) -> Option<Kind> {
        match judge(status, None, "") {
            Outcome::Unavailable { kind, .. } => Some(kind),
            Outcome::Taken | Outcome::Failed { .. } | Outcome::Rejected { .. } => None,
        }
    }

    #[test]
    fn statuses_are_told_apart_by_what_has_to_happen() {
        assert_eq!([200, 201, 202, 204].map(|status| judge(status, None, "") == Outcome::Taken), [true; 4]);
        assert_eq!([401, 403].map(kind), [Some(Kind::NotAuthorised); 2]);
        assert_eq!([301, 307, 404, 405].map(kind), [Some(Kind::WrongAddress); 4]);
        assert_eq!([408, 429, 502, 503, 504].map(kind), [Some(Kind::Busy); 5]);
        for status in [400, 409, 413, 415, 422] {
            assert!(matches!(judge(status, None, ""), Outcome::Rejected { .. }), "{status}");
        }
        for status in [500, 501, 507, 100, 999] {
            assert!(matches!(judge(status, None, ""), Outcome::Failed { .. }), "{status}");
        }
    }

    #[test]
    fn what_a_server_says_is_repeated_in_one_short_line() {
        let said = format!("no such\n\u{1b}[31mcode {}", "x".repeat(500));
        let Outcome::Rejected { reason } = judge(400, None, &said) else { panic!("not rejected") };
        assert!(reason.starts_with("status 400: no such  [31mcode xxx"), "{reason}");
        assert!(reason.len() < 220);
    }

    #[test]
    fn both_forms_of_retry_after_are_read() {
        let now = "1994-11-06T08:49:07Z".parse().unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_mins(2)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:48:37 GMT", now), Some(Duration::ZERO), "it is over");
        assert_eq!(retry_after("soon", now), None);
    }
}
