//! Which decoder reads a model, recognised from the names, shapes and values of its outputs.
//!
//! In: what one inference on a grey picture gave ([`Seen`]). Out: a [`Reading`] with the reasons for it, or what cannot be decided. Shapes
//! alone do not tell YOLOX from YOLOv6, logits from probabilities or pixels from shares of the picture; values do. What neither tells
//! is left to whoever writes the manifest: a wrong guess would be boxes in the wrong places, and nobody would know.

mod inspect;
mod names;
mod probe;
mod rules;
#[cfg(test)]
mod tests;

pub use inspect::{Inspection, inspect};
pub use names::class_names;
pub use probe::Seen;
pub(super) use probe::probe;
pub use rules::recognise;

use super::manifest::{Manifest, Reading};
use ort::session::Session;

/// What was recognised, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognised {
    /// How the outputs are read.
    pub reading: Reading,
    /// How many classes the shapes speak of, with or without names; none if they do not.
    pub classes: Option<usize>,
    /// What was decided and why, a sentence each.
    pub reasons: Vec<String>,
}

/// Why the outputs of a model cannot be read without help.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// The model cannot be run.
    #[error("failed to run it on a grey picture")]
    Run(#[from] ort::Error),
    /// More than one decoder could be right, or none.
    #[error(
        "its layout cannot be decided: {0}. Write decoder and outputs into the manifest; docs/models.md lists what each decoder reads"
    )]
    Undecided(String),
    /// Nobody names the classes.
    #[error("neither the manifest nor the property \"names\" of the model's metadata names the classes")]
    NoClasses,
    /// The classes are not as many as the outputs speak of, or the like.
    #[error("{0}")]
    Mistake(String),
}

/// The manifest with everything that it leaves to the model filled in: decoder, outputs, class names; how its outputs are read; and the
/// reasons for what was filled in.
pub(super) fn complete(
    manifest: &Manifest,
    session: &mut Session,
) -> Result<(Manifest, Reading, Vec<String>), LayoutError> {
    let mut manifest = manifest.clone();
    let mut reasons = Vec::new();
    if manifest.classes.is_empty() {
        manifest.classes = metadata_classes(session).ok_or(LayoutError::NoClasses)?;
        reasons.push(format!("{} class names are those of the model's metadata", manifest.classes.len()));
    }
    let reading = if let Some(reading) = manifest.reading() {
        reading
    } else {
        let seen = probe(session, &manifest.input)?;
        let size = (manifest.input.width, manifest.input.height);
        let found = recognise(&seen, size, Some(manifest.classes.len())).map_err(LayoutError::Undecided)?;
        manifest.adopt(found.reading.clone());
        reasons.extend(found.reasons);
        found.reading
    };
    match reading.mistake(manifest.classes.len()) {
        None => Ok((manifest, reading, reasons)),
        Some(mistake) => Err(LayoutError::Mistake(mistake)),
    }
}

/// The class names in a model's metadata.
pub(super) fn metadata_classes(session: &Session) -> Option<Vec<String>> {
    class_names(&session.metadata().ok()?.custom("names")?)
}
