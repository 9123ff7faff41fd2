//! Another configuration from a point in the order of findings on.

use super::Recorder;
use crate::analysis::Configured;
use crate::orphans;
use crate::quality::Stages;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Recorder {
    /// Closes what the configuration no longer wants, and works by it from here on. Everything that was found before is recorded.
    pub(super) fn take_over(&mut self, configured: Configured) {
        let Configured { config, present, config_sha256, is_claimed, done } = configured;
        if is_claimed.swap(true, Ordering::AcqRel) {
            return;
        }
        let now = self.clocks.wall();
        let closed = orphans::close(&mut self.store.lock(), &present, &[], &self.time_zone, now);
        let outcome = closed.map_err(|error| format!("the store refuses: {error}")).map(|closed| {
            for (camera, rule) in &closed {
                self.notice.active(camera, rule, Vec::new());
            }
            if !closed.is_empty() {
                self.notice.recorded();
            }
            self.stages = Stages::new(Arc::clone(&config), self.stages.counts());
            self.relate_open();
            self.custody.set_limits(config.evidence.clone());
            self.custody.audit().note_configuration(&self.config_sha256, &config_sha256, now);
            (self.config, self.config_sha256) = (config, config_sha256);
        });
        // Whoever waits has claimed nothing, so that it still does.
        let _ = done.send(outcome);
    }
}
