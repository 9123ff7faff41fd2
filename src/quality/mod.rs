//! What an event passes before it leaves: eight stages, each a small pure step with a counter.
//!
//! Four judge what is seen and lie where it is decided: filtering in the [tracker](crate::track) and the [scene](crate::scene), rule check,
//! duplicates and redundancy in the [course of incidents](crate::incident). They count sights: what one frame shows of one rule. Four work
//! on the event that is about to leave, here: [`relation`], [`completion`], [`error_check`] and [`reservations`]. They count events.
//!
//! In: an event as it was assembled. Out: the event completed, or the [`Defect`] for which it must not leave. No I/O, no clock.
//! `docs/event-quality.md` says the same for operators.

mod completion;
mod counts;
mod error_check;
mod relation;
mod reservations;

pub use counts::{Counts, QualityStage, Tallies, Tally};
pub use error_check::Defect;
pub use reservations::{EvidenceState, Reservations};

use crate::config::Config;
use crate::contract::IncidentEvent;
use crate::geometry::BBox;
use crate::ids::Name;
use crate::incident::Incident;
use relation::{Relations, Spot};
use std::sync::Arc;
use uuid::Uuid;

/// What the stages must know beside the event.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// Where in the picture the incident is.
    pub bbox: BBox,
    /// What else there is to say of the event.
    pub reservations: Reservations,
}

/// The stages of the events of one agent.
#[derive(Debug)]
pub struct Stages {
    config: Arc<Config>,
    relations: Relations,
    counts: Arc<Counts>,
}

impl Stages {
    /// Begins without an incident.
    #[must_use]
    pub fn new(config: Arc<Config>, counts: Arc<Counts>) -> Self {
        let relations = Relations::new(config.cameras.iter().map(|camera| (camera.id.clone(), camera.place.clone())));
        Self { config, relations, counts }
    }

    /// Where it is counted what they do.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Takes up an incident that is open, so that others can be related to it.
    pub fn note_open(&mut self, camera: &Name, incident: &Incident) {
        let rule = self.config.cameras.iter().find(|known| known.id == *camera);
        let rule = rule.and_then(|camera| camera.rules.iter().find(|rule| rule.id == incident.rule));
        if let Some(rule) = rule {
            let (camera, kind, bbox) = (camera.clone(), rule.kind, incident.bbox);
            self.relations.note(incident.id, Spot { camera, kind, bbox });
        }
    }

    /// An incident is over.
    pub fn note_closed(&mut self, incident: Uuid) {
        self.relations.forget(incident);
    }

    /// Leads an event through the four stages of events. An error is why it must not leave.
    pub fn pass(&mut self, event: &mut IncidentEvent, circumstances: &Circumstances) -> Result<(), Defect> {
        let mut tallies = Tallies::default();
        let outcome = self.pass_counted(event, circumstances, &mut tallies);
        self.counts.add(&tallies);
        outcome
    }

    fn pass_counted(
        &self,
        event: &mut IncidentEvent,
        circumstances: &Circumstances,
        tallies: &mut Tallies,
    ) -> Result<(), Defect> {
        let data = &mut event.data;
        let (camera, kind, bbox) = (data.camera.id.clone(), data.matter.kind, circumstances.bbox);
        data.dedup.related = self.relations.of(data.incident_id, &Spot { camera, kind, bbox });
        tallies.count(QualityStage::Relation, !data.dedup.related.is_empty());
        tallies.count(QualityStage::Completion, completion::complete(data, &self.config.place));
        match error_check::check(event) {
            Ok(is_mended) => tallies.count(QualityStage::ErrorCheck, is_mended),
            Err(defect) => {
                tallies.of_mut(QualityStage::ErrorCheck).stopped += 1;
                return Err(defect);
            }
        }
        let preferred = self.config.model.providers.first().copied();
        let has_any = reservations::raise(&mut event.data, circumstances.reservations, preferred);
        tallies.count(QualityStage::Quality, has_any);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
