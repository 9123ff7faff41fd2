//! The hub's side, for people at a terminal and for tests.
//!
//! [`Watcher`] connects as a hub would and yields typed messages; [`Ledger`] tells new events from repeated ones and sees
//! lost ones; [`Pictures`] checks and saves evidence; [`View`] makes lines for a terminal; [`ask()`] sends a command and waits for the answer. The agent uses none of it.

mod asker;
mod ledger;
mod pictures;
mod view;
mod watcher;

pub use crate::sha256::sha256_hex;
pub use asker::{Answer, AskError, Question, Signer, ask};
pub use ledger::{Ledger, Sighting};
pub use pictures::{Picture, PictureOutcome, Pictures};
pub use view::View;
pub use watcher::{Content, HubMessage, Sight, WatchSettings, Watcher};
