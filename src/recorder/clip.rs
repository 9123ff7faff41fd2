//! The clip of an incident: on disk before the row that names it, and how it stands in each event.
//!
//! What an opening promises is kept track of: while a clip is awaited, other events of the incident say so, and one of a clip that was lost (by a crash, or
//! since its camera began anew) says that there is none.

use super::Recorder;
use super::pictures::{Pictures, Subject};
use crate::analysis::Finding;
use crate::audit::{Actor, Deed};
use crate::clips::{Clip, ClipNews};
use crate::clock::Mono;
use crate::config::{CameraConfig, RuleConfig};
use crate::contract::{ClipState, EvidenceRole, EvidenceView};
use crate::health::Queue;
use crate::store::StoreError;
use std::time::Duration;

/// How long a clip is awaited: its seconds, those that wait before it, and the making on a loaded box.
const AWAITED_FOR: Duration = Duration::from_mins(5);
/// Clips that are awaited at once at most, over all cameras.
const MAX_AWAITED: usize = 1024;

impl Recorder {
    /// Keeps a clip. Whatever fails costs the clip alone.
    pub(super) fn clip(
        &mut self,
        clip: &Clip,
        finding: &Finding,
        camera: &CameraConfig,
        rule: &RuleConfig,
    ) -> Pictures {
        let incident = &finding.transition.incident;
        let subject = Subject {
            role: EvidenceRole::Clip,
            camera,
            rule: Some(rule),
            incident: Some((incident.id, incident.bbox)),
            captured_at: clip.captured_at,
            taken_at: finding.transition.at.wall,
        };
        match self.write(&clip.clip, EvidenceView::Overview, &subject) {
            Ok(file) => Pictures { files: vec![file], has_failed: false },
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(camera = %camera.id, incident = %incident.id, error, "a clip is not kept");
                Pictures { files: Vec::new(), has_failed: true }
            }
        }
    }

    /// How the clip stands with this change; none where there is nothing to say.
    pub(super) fn clip_state(&mut self, finding: &Finding, is_kept: bool) -> Result<Option<ClipState>, StoreError> {
        let (incident, now) = (finding.transition.incident.id, self.clocks.mono());
        Ok(match &finding.clip {
            ClipNews::Awaited => {
                self.awaited.retain(|_, until| *until > now);
                if self.awaited.len() < MAX_AWAITED {
                    self.awaited.insert(incident, Mono(now.0 + AWAITED_FOR));
                }
                Some(ClipState::Awaited)
            }
            ClipNews::Made(_) if is_kept => Some(ClipState::Attached),
            ClipNews::Made(_) | ClipNews::Absent(_) => Some(ClipState::Absent),
            ClipNews::None => {
                let last = self.last_event(incident)?.and_then(|event| event.data.clip);
                let is_awaited = self.awaited.get(&incident).is_some_and(|until| *until > now);
                let state = if is_awaited { ClipState::Awaited } else { ClipState::Absent };
                (last == Some(ClipState::Awaited)).then_some(state)
            }
        })
    }

    /// Once its event is recorded: a clip that was told of is not awaited any more, and one that failed is counted and on record.
    pub(super) fn note_clip(&mut self, finding: &Finding, camera: &CameraConfig, is_kept: bool) {
        let incident = finding.transition.incident.id;
        let reason = match &finding.clip {
            ClipNews::None | ClipNews::Awaited => return,
            ClipNews::Made(_) if is_kept => None,
            ClipNews::Made(_) => Some("the clip cannot be kept"),
            ClipNews::Absent(reason) => Some(reason.as_str()),
        };
        self.awaited.remove(&incident);
        if let Some(reason) = reason {
            tracing::warn!(camera = %camera.id, %incident, reason, "an incident goes without a clip");
            self.drops.add(Queue::Clips, 1);
            let (camera, reason) = (camera.id.to_string(), reason.to_owned());
            let deed = Deed::ClipWithheld { camera, incident, reason };
            self.custody.audit().note(&Actor::Agent, &deed, self.clocks.wall());
        }
    }
}
