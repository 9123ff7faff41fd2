//! Curbwatch: an edge agent for street cameras. `docs/architecture.md` is the map.

pub mod active;
pub mod analysis;
pub mod app;
pub mod audit;
mod back_off;
pub mod camera;
pub mod cli;
pub mod clips;
pub mod clock;
pub mod command;
pub mod config;
pub mod console;
pub mod contract;
pub mod courier;
pub mod detect;
pub mod discover;
pub mod evaluate;
pub mod evidence;
pub mod faces;
pub mod frame;
pub mod geometry;
pub mod health;
pub mod hub;
pub mod ids;
pub mod incident;
pub mod ingest;
pub mod install;
mod logging;
pub mod mailbox;
pub mod mask;
pub mod mqtt;
pub mod orphans;
pub mod picture;
pub mod probe;
pub mod quality;
pub mod recorder;
pub mod replay;
pub mod scene;
pub mod schedule;
pub mod service;
mod sha256;
#[cfg(feature = "staging")]
pub mod stage;
pub mod status;
pub mod store;
#[cfg(feature = "staging")]
pub mod suite;
mod tls;
pub mod track;
#[cfg(feature = "staging")]
pub mod vcam;
pub mod web;
