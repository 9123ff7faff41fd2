//! What the console asks of the agent.

use super::Core;
use super::orders::Orders;
use crate::analysis::Analysis;
use crate::audit::Actor;
use crate::command::Outcome;
use crate::config::{CameraConfig, Config, EditError, Written};
use crate::console::{self, Backend, ConsoleParts};
use crate::contract::{Command, Request};
use crate::evidence::EvidenceDir;
use crate::mqtt::Link;
use crate::web::{self, OpenIncidents, Web};
use std::sync::{Arc, PoisonError, Weak};

/// The agent as the console sees it.
struct Behind {
    core: Arc<Core>,
    /// Its owner takes it apart at the end.
    link: Weak<Link>,
    orders: Arc<Orders>,
}

impl Backend for Behind {
    fn config(&self) -> Arc<Config> {
        self.core.config()
    }

    fn cameras(&self) -> Vec<usize> {
        self.core.roster().cameras().map(|(index, _)| index).collect()
    }

    fn analysis(&self) -> Option<Arc<Analysis>> {
        self.core.analysis.get().cloned()
    }

    fn model(&self) -> Option<String> {
        self.core.models.lock().unwrap_or_else(PoisonError::into_inner).first().map(|model| model.name.clone())
    }

    fn is_connected(&self) -> bool {
        self.link.upgrade().is_some_and(|link| link.connected())
    }

    fn open(&self) -> Vec<OpenIncidents> {
        self.core.active.lock().unwrap_or_else(PoisonError::into_inner).counts()
    }

    fn carry_out(&self, by: Actor, command: Command<Request>) -> Outcome {
        let commander = self.core.commander.get();
        commander.map_or_else(
            || Outcome::failed("the agent is starting"),
            |commander| commander.carry_out_for(by, &command, &*self.orders),
        )
    }

    fn write_zones(&self, camera: &CameraConfig) -> Result<Written, EditError> {
        (self.orders.reloading.write_zones)(camera)
    }
}

impl Core {
    /// Begins to serve the console and the metrics, if that is wanted.
    pub(super) fn serve(self: &Arc<Self>, link: &Arc<Link>, orders: &Arc<Orders>) -> std::io::Result<Option<Web>> {
        let config = self.config();
        let mut pages = web::routes(Arc::clone(&self.board), Arc::clone(&self.clocks));
        if config.web.console.enabled {
            let behind = Behind { core: Arc::clone(self), link: Arc::downgrade(link), orders: Arc::clone(orders) };
            pages = pages.merge(console::routes(ConsoleParts {
                web: config.web.clone(),
                backend: Arc::new(behind),
                board: Arc::clone(&self.board),
                history: Arc::clone(&self.history),
                tiles: Arc::clone(&self.tiles),
                store: self.store.clone(),
                evidence: EvidenceDir::at(&config.agent.data_dir, self.keys.clone()),
                audit: Arc::clone(&self.audit),
                clocks: Arc::clone(&self.clocks),
                time_zone: self.time_zone.clone(),
                started_at: self.started_at,
            }));
        }
        config.web.enabled.then(|| Web::start(config.web.listen, pages)).transpose()
    }
}
