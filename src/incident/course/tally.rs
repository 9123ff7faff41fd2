//! What of the sights at one frame became of a rule's course: counted by the stage that decided it.

use super::super::case::{Case, State};
use super::{Course, Phase, Transition};
use crate::quality::{QualityStage, Tallies};

impl Course {
    /// What the stages of this course did since the last call.
    pub fn take_tallies(&mut self) -> Tallies {
        std::mem::take(&mut self.tallies)
    }

    /// Sights that were taken for open incidents instead of opening another.
    pub(super) fn suppressed(&self) -> u64 {
        self.cases.iter().filter_map(Case::reported).map(|reported| u64::from(reported.suppressed)).sum()
    }

    /// Counts what this frame came to: `told` is what the hub will be told of it, `duplicates` what would have been further incidents.
    pub(super) fn count(&mut self, told: &[Transition], duplicates: u64) {
        let of = |phase| told.iter().filter(|transition| transition.phase == phase).count() as u64;
        let (opened, updated) = (of(Phase::Opened), of(Phase::Updated));
        let (mut held_back, mut reported, mut others) = (0, 0, 0);
        for case in self.cases.iter().filter(|case| case.unseen.is_zero()) {
            match case.state {
                State::Muted | State::Dismissed { .. } => held_back += 1,
                State::Open(_) | State::Clearing(_) | State::Stale(_) => reported += 1,
                State::Pending => others += 1,
            }
        }
        let rule_check = self.tallies.of_mut(QualityStage::RuleCheck);
        rule_check.stopped += held_back;
        rule_check.passed += reported + others;
        let stage = self.tallies.of_mut(QualityStage::Duplicates);
        stage.stopped += duplicates;
        stage.passed += opened;
        let redundancy = self.tallies.of_mut(QualityStage::Redundancy);
        redundancy.passed += opened + updated;
        redundancy.stopped += u64::saturating_sub(reported, opened + updated);
    }
}
