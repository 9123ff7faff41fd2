//! Is the picture usable, and did anything change in it?
//!
//! In: frames, as a [`LumaSample`] each. Out: [`Health`] says what is wrong with the picture and since when; [`Gate`] says whether
//! the frame is worth an inference; [`LightMeter`] says whether it is day or night. All are pure state machines in media time, one of each
//! per camera; they read no clock, perform no I/O and cannot fail.
//!
//! Memory per camera: 65 KiB a sample (one to take frames into, one kept by each of the two), 160 KiB for the scene's reference.

mod condition;
mod gate;
mod health;
mod light;
mod sample;
mod structure;

pub use gate::{Gate, GateCounts};
pub use health::{Change, Health, Limits, PictureState};
pub use light::{Light, LightMeter};
pub use sample::LumaSample;

#[cfg(test)]
pub(crate) mod test_pictures;
