//! The agent's data, as it is found when the agent begins.

use super::AppError;
use crate::clock::Clocks;
use crate::config::{CameraConfig, Loaded};
use crate::ids::Name;
use crate::incident::Memory;
use crate::orphans;
use crate::store::{Adapters, Bounds, SharedStore, Store};
use jiff::tz::TimeZone;
use std::collections::BTreeSet;

/// What the store says of before.
pub(super) struct Opened {
    pub(super) store: SharedStore,
    pub(super) time_zone: TimeZone,
    /// Camera and rule of what was closed because the configuration no longer wants it.
    pub(super) orphaned: Vec<(Name, Name)>,
    /// What is remembered of each camera, by index.
    pub(super) memories: Vec<Memory>,
    /// Cameras that the hub has switched off.
    pub(super) switched_off: BTreeSet<Name>,
}

/// Makes the data folder if need be, opens the store, and closes what the configuration no longer wants.
pub(super) fn open(loaded: &Loaded, clocks: &dyn Clocks) -> Result<Opened, AppError> {
    let config = &loaded.config;
    let data_dir = &config.agent.data_dir;
    std::fs::create_dir_all(data_dir).map_err(|source| AppError::DataDir { path: data_dir.clone(), source })?;
    let time_zone = TimeZone::get(&config.agent.time_zone)
        .map_err(|source| AppError::TimeZone { name: config.agent.time_zone.clone(), source })?;
    let mut store = Store::open(&Store::path_in(data_dir), clocks.wall())?;
    if let Some(path) = store.set_aside() {
        tracing::error!(path = %path.display(), "the database was corrupt; it is set aside and a new one begun");
    }
    let onvif = config.hub.onvif.as_ref().map(|onvif| onvif.topic_prefix.clone());
    let (webhook, storage) = (config.hub.webhook.is_some(), config.evidence.storage_in_use().is_some());
    store.set_adapters(Adapters { webhook, onvif, storage })?;
    let orphaned = orphans::close(&mut store, config, &loaded.set_aside, &time_zone, clocks.wall())?;
    let remember = |camera: &CameraConfig| store.memory(&camera.id, clocks.wall());
    let memories = config.cameras.iter().map(remember).collect::<Result<_, _>>()?;
    let switched_off = store.switched_off()?;
    store.set_bounds(Bounds::from(&config.hub.outbox));
    Ok(Opened { store: SharedStore::new(store), time_zone, orphaned, memories, switched_off })
}
