//! The event of a finding: assembled, led through the stages, and stored, or kept back with the reason.

use super::Recorder;
use super::pictures::Pictures;
use crate::analysis::{Finding, Still};
use crate::config::{CameraConfig, RuleConfig};
use crate::contract::{self, EventParts, Evidence, FrameSize, IncidentEvent, Sequence};
use crate::incident::Phase;
use crate::quality::{Circumstances, Defect, EvidenceState, Reservations};
use crate::store::{Change, Message, StoreError};
use uuid::Uuid;

/// An event that may leave, or what is wrong with it.
pub(super) struct Prepared {
    event: IncidentEvent,
    outcome: Result<(), Defect>,
}

impl Pictures {
    fn state(&self, still: &Still) -> EvidenceState {
        match still {
            _ if self.has_failed => EvidenceState::Failed,
            Still::Missing if !self.files.is_empty() => EvidenceState::StandIn,
            Still::Missing | Still::NotWanted | Still::Taken { .. } => EvidenceState::AsWanted,
        }
    }
}

impl Recorder {
    /// The event of a finding as camera and rule tell it, without its sequence.
    pub(super) fn assemble(
        &mut self,
        finding: &Finding,
        camera: &CameraConfig,
        rule: &RuleConfig,
        pictures: &Pictures,
    ) -> Result<IncidentEvent, StoreError> {
        let transition = &finding.transition;
        let evidence: Vec<Evidence> = pictures.files.iter().map(|file| file.evidence.clone()).collect();
        let frame = match &finding.frame {
            Some(frame) => FrameSize { width: frame.layout().width, height: frame.layout().height },
            None => self.last_frame_size(transition.incident.id)?,
        };
        let parts = EventParts {
            agent: &self.config.agent.id,
            time_zone: &self.time_zone,
            camera,
            rule,
            frame,
            evidence: &evidence,
            model: &self.model,
            config_sha256: &self.config_sha256,
        };
        let id = self.ids.next(self.clocks.wall());
        let mut event = contract::incident_event(id, 0, transition, &parts);
        event.data.clip = self.clip_state(finding, !pictures.files.is_empty())?;
        if let Some(head) = self.custody.audit().head() {
            (event.data.trace.prev_audit_sequence, event.data.trace.prev_audit_hash) =
                (Some(head.sequence), Some(head.hash));
        }
        Ok(event)
    }

    /// Leads the event through the stages, and leaves in it what may leave the box.
    pub(super) fn prepare(&mut self, mut event: IncidentEvent, finding: &Finding, pictures: &Pictures) -> Prepared {
        let reservations = Reservations { picture: finding.picture, evidence: pictures.state(&finding.still) };
        let circumstances = Circumstances { bbox: finding.transition.incident.bbox, reservations };
        let outcome = self.stages.pass(&mut event, &circumstances).and_then(|()| {
            event = self.config.hub.disclosure.of_event(&event).map_err(|error| Defect::Schema(error.to_string()))?;
            Ok(())
        });
        Prepared { event, outcome }
    }

    /// Records the change with its event, or with the reason why the event is kept back.
    pub(super) fn store(
        &mut self,
        prepared: &Prepared,
        finding: &Finding,
        camera: &CameraConfig,
        rule: &RuleConfig,
        pictures: &Pictures,
    ) -> Result<(), StoreError> {
        let incident = &finding.transition.incident;
        let (evidence, now) = (&pictures.files[..], self.clocks.wall());
        let change = Change { camera: &camera.id, kind: rule.kind, incident, evidence, now };
        let Prepared { event, outcome } = prepared;
        if let Err(defect) = outcome {
            self.store.lock().withhold(&change, &contract::to_json(event), &defect.to_string())?;
            tracing::error!(incident = %incident.id, camera = %camera.id, %defect, "an event is kept back");
            return Ok(());
        }
        let topic = self.topics.event(&camera.id, rule.kind);
        let message = |sequence| {
            let event = IncidentEvent { sequence: Sequence(sequence), ..event.clone() };
            Message {
                topic: topic.clone(),
                content_type: contract::CLOUDEVENTS_JSON,
                payload: contract::to_json(&event),
            }
        };
        let sequence = self.store.lock().record(&change, message)?;
        tracing::info!(
            phase = ?finding.transition.phase, camera = %camera.id, rule = %rule.id, incident = %incident.id, sequence,
            dwell_secs = incident.dwell_secs, "incident"
        );
        Ok(())
    }

    /// Notes where the incident is, for others that come to the same place.
    pub(super) fn note(&mut self, finding: &Finding, camera: &CameraConfig) {
        let incident = &finding.transition.incident;
        match finding.transition.phase {
            Phase::Closed | Phase::Withdrawn => self.stages.note_closed(incident.id),
            // One that is over stays so when it is looked at again, or its clip comes.
            Phase::Rechecked | Phase::Updated if incident.closed_at.is_some() => {}
            Phase::Opened | Phase::Updated | Phase::Rechecked => self.stages.note_open(&camera.id, incident),
        }
    }

    /// Size of the frame in which an incident was last reported: what is decided without a frame is about that one.
    fn last_frame_size(&self, incident: Uuid) -> Result<FrameSize, StoreError> {
        let event = self.last_event(incident)?;
        Ok(event.map_or(FrameSize { width: 0, height: 0 }, |event| event.data.frame))
    }

    /// What the hub was last told of an incident.
    pub(super) fn last_event(&self, incident: Uuid) -> Result<Option<IncidentEvent>, StoreError> {
        let event = self.store.lock().last_event(incident)?;
        Ok(event.and_then(|payload| serde_json::from_slice(&payload).ok()))
    }
}
