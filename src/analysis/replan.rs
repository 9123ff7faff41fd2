//! A camera goes on by another configuration, while the others are not touched.

use super::post::Post;
use super::prepare::Plan;
use super::{Analysis, Configured, PrepareError, Record};
use crate::config::{CameraConfig, Config};
use crate::incident::{Memory, OrderError};
use std::sync::mpsc::TrySendError;
use std::sync::{Arc, PoisonError};

impl Analysis {
    /// Resolves a camera against the model that runs.
    pub fn plan(&self, config: &Config, camera: &CameraConfig) -> Result<Plan, PrepareError> {
        self.prepared.plan(config, camera)
    }

    /// What is to be remembered of a camera, as of its last frame.
    #[must_use]
    pub fn remembered(&self, camera: usize) -> Memory {
        self.post_of(camera).map(|post| post.memory().clone()).unwrap_or_default()
    }

    /// What is shared of a camera; none of one that is new.
    #[must_use]
    pub fn post_of(&self, camera: usize) -> Option<Arc<Post>> {
        self.posts.read().unwrap_or_else(PoisonError::into_inner).get(camera).cloned()
    }

    /// Hands another configuration to the recorder, behind everything that was found before. Refused while the recorder cannot keep up.
    pub fn configure_recorder(&self, configured: Configured) -> Result<(), OrderError> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let records = records.as_ref().ok_or(OrderError::Stopping)?;
        records.try_send(Record::Configured(Box::new(configured))).map_err(|refused| match refused {
            TrySendError::Full(_) => OrderError::TooMany(crate::recorder::MAX_WAITING),
            TrySendError::Disconnected(_) => OrderError::Stopping,
        })
    }

    /// Begins a camera: a new one, which has the next index, or one whose stream begins anew. To be called while its [post](Post) is held.
    pub fn begin_with(&self, camera: usize, plan: Plan, memory: Memory) {
        let Some(post) = self.post_of(camera) else {
            let post = Post::new(&self.prepared, plan, memory, self.around.ids(camera));
            *post.roll() = self.new_roll();
            self.posts.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(post));
            return;
        };
        post.set_plan(plan);
        *post.memory() = memory.clone();
        self.begin(camera, &post, memory);
    }

    /// Has a camera, whose stream goes on, go on by other rules. A rule that is as it was keeps what it knows, the dwell of what is pending included;
    /// the others begin with what is remembered, as after a restart. To be called while its [post](Post) is held.
    pub fn adopt(&self, camera: usize, plan: Plan, memory: Memory) {
        let Some(post) = self.post_of(camera) else { return self.begin_with(camera, plan, memory) };
        let mut station = post.station();
        station.adopt(&self.prepared.classes, plan.rules.clone(), &memory, &plan.view);
        self.attend(camera, &post, station.attention());
        *post.memory() = memory;
        post.set_plan(plan);
    }
}
