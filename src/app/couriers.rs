//! What goes by HTTP besides the hub, each on a thread of its own.

use super::AppError;
use crate::clock::Clocks;
use crate::config::Config;
use crate::courier::{Courier, CourierParts};
use crate::evidence::{EvidenceDir, Keyring};
use crate::mqtt::Link;
use crate::store::SharedStore;
use std::sync::{Arc, Weak};

/// Posts events to a platform, if there is one.
pub(super) fn webhook(
    config: &Config,
    evidence: &EvidenceDir,
    store: &SharedStore,
    clocks: &Arc<dyn Clocks>,
) -> Result<Option<Arc<Courier>>, AppError> {
    let Some(webhook) = &config.hub.webhook else { return Ok(None) };
    let parts = CourierParts::new(store.clone(), Arc::clone(clocks));
    let started = Courier::webhook(webhook.clone(), evidence.clone(), parts);
    started.map(Arc::new).map(Some).map_err(|source| AppError::Thread { name: "webhook".to_owned(), source })
}

/// Puts pictures into a storage, if they go there, and wakes who waits for them.
pub(super) fn storage(
    config: &Config,
    keys: &Keyring,
    link: &Arc<Link>,
    webhook: Option<&Arc<Courier>>,
    store: &SharedStore,
    clocks: &Arc<dyn Clocks>,
) -> Result<Option<Courier>, AppError> {
    let Some(storage) = config.evidence.storage_in_use() else { return Ok(None) };
    // Weak: their owner takes them apart at the end.
    let (link, webhook) = (Arc::downgrade(link), webhook.map(Arc::downgrade));
    let done = move || {
        link.upgrade().iter().for_each(|link| link.wake());
        webhook.iter().filter_map(Weak::upgrade).for_each(|webhook| webhook.wake());
    };
    let parts = CourierParts {
        done: Box::new(done),
        keys: keys.clone(),
        ..CourierParts::new(store.clone(), Arc::clone(clocks))
    };
    let started = Courier::storage(storage.clone(), parts);
    started.map(Some).map_err(|source| AppError::Thread { name: "storage".to_owned(), source })
}
