//! Curbwatch: an edge agent for street cameras. `docs/architecture.md` is the map.

pub mod analysis;
pub mod camera;
pub mod cli;
pub mod clock;
pub mod config;
pub mod contract;
pub mod detect;
pub mod evidence;
pub mod frame;
pub mod geometry;
pub mod health;
pub mod hub;
pub mod ids;
pub mod incident;
pub mod ingest;
pub mod install;
pub mod mailbox;
pub mod mqtt;
pub mod recorder;
pub mod scene;
#[cfg(feature = "staging")]
pub mod stage;
pub mod store;
pub mod track;
#[cfg(feature = "staging")]
pub mod vcam;
