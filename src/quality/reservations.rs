//! Quality: what a hub should think of an event, as flags.

use crate::clock::ClockQuality;
use crate::contract::IncidentData;
use crate::detect::Provider;
use crate::picture::PictureState;

/// A camera's clock that is farther off is flagged; the camera's status raises its alarm at the same.
const CLOCK_OFFSET_MS: u64 = 2_000;

/// What else there is to say of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reservations {
    /// How the camera's picture was.
    pub picture: PictureState,
    /// What became of the event's picture.
    pub evidence: EvidenceState,
}

/// What became of the picture of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvidenceState {
    /// It is as it should be, or there is none to be.
    AsWanted,
    /// It is of the analysed stream, since there was none of the evidence stream.
    StandIn,
    /// It could not be made or kept.
    Failed,
}

/// Adds the flags; true if the event has any.
pub(super) fn raise(data: &mut IncidentData, reservations: Reservations, preferred: Option<Provider>) -> bool {
    let timing = &data.timing;
    let is_off = timing.clock_offset_ms.is_some_and(|offset| offset.unsigned_abs() > CLOCK_OFFSET_MS);
    let is_fallback = preferred.is_some_and(|preferred| preferred.as_str() != data.model.provider);
    let picture = reservations.picture;
    let flags = [
        (timing.clock_quality == ClockQuality::Unsynchronised).then(|| "clock_unsynchronised".to_owned()),
        is_off.then(|| "clock_offset".to_owned()),
        (picture != PictureState::Ok).then(|| format!("picture_{}", picture.as_str())),
        is_fallback.then(|| "provider_fallback".to_owned()),
        match reservations.evidence {
            EvidenceState::AsWanted => None,
            EvidenceState::StandIn => Some("evidence_from_detect_stream".to_owned()),
            EvidenceState::Failed => Some("evidence_failed".to_owned()),
        },
    ];
    data.quality.flags.extend(flags.into_iter().flatten());
    !data.quality.flags.is_empty()
}
