//! Collects findings while the checks go on, each bound to a key or value of the document.

use super::document::{Document, path_of};
use super::finding::{Finding, Findings, Position, Related};
use std::path::Path;

/// A finding before it is bound to the file.
#[derive(Debug)]
pub(super) struct Draft {
    pointer: String,
    position: Option<Position>,
    at_key: bool,
    problem: String,
    allowed: Option<String>,
    help: Option<String>,
    related: Option<Related>,
}

impl Draft {
    /// A finding at the value that a JSON pointer names, with what is wrong, completing a sentence.
    pub fn at_value(pointer: impl Into<String>, problem: impl Into<String>) -> Self {
        let (pointer, problem) = (pointer.into(), problem.into());
        Self { pointer, position: None, at_key: false, problem, allowed: None, help: None, related: None }
    }

    /// As [`Self::at_value`], at the key.
    pub fn at_key(pointer: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { at_key: true, ..Self::at_value(pointer, problem) }
    }

    /// Says what is allowed.
    pub fn allowed(self, allowed: impl Into<String>) -> Self {
        Self { allowed: Some(allowed.into()), ..self }
    }

    /// Says how to mend it, if that can be guessed.
    pub fn help(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }

    /// Names the other place of a contradiction.
    pub fn related(self, position: Position, note: impl Into<String>) -> Self {
        Self { related: Some(Related { position, note: note.into() }), ..self }
    }

    /// Sets the place, where the pointer alone cannot tell it.
    pub fn positioned(self, position: Position) -> Self {
        Self { position: Some(position), ..self }
    }
}

/// Binds drafts to the file and keeps them in the order of its lines.
#[derive(Debug)]
pub(super) struct Report<'a> {
    file: &'a Path,
    document: &'a Document,
    findings: Findings,
}

impl<'a> Report<'a> {
    /// Begins an empty report.
    pub fn new(file: &'a Path, document: &'a Document) -> Self {
        Self { file, document, findings: Findings::default() }
    }

    /// Adds a mistake.
    pub fn error(&mut self, draft: Draft) {
        let finding = self.bind(draft);
        self.findings.errors.push(finding);
    }

    /// Adds a warning.
    pub fn warning(&mut self, draft: Draft) {
        let finding = self.bind(draft);
        self.findings.warnings.push(finding);
    }

    /// Everything found, in the order of the file.
    pub fn finish(mut self) -> Findings {
        for list in [&mut self.findings.errors, &mut self.findings.warnings] {
            list.sort_by(|a, b| (a.position, &a.path).cmp(&(b.position, &b.path)));
        }
        self.findings
    }

    fn bind(&self, draft: Draft) -> Finding {
        let Draft { pointer, position, at_key, problem, allowed, help, related } = draft;
        let of_pointer = if at_key { Document::key_position } else { Document::value_position };
        Finding {
            file: self.file.to_owned(),
            position: position.unwrap_or_else(|| of_pointer(self.document, &pointer)),
            path: path_of(&pointer),
            problem,
            allowed,
            help,
            related,
            camera: camera_of(&pointer),
        }
    }
}

/// Index of the camera to which a pointer belongs.
fn camera_of(pointer: &str) -> Option<usize> {
    pointer.strip_prefix("/cameras/")?.split('/').next()?.parse().ok()
}

/// "did you mean ..?", if one of the candidates is near enough to be a slip of the finger.
pub(super) fn suggestion<'c>(given: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<String> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(&given.to_lowercase(), &candidate.to_lowercase());
    let (distance, best) = candidates.into_iter().map(|candidate| (distance(candidate), candidate)).min()?;
    let near = distance <= (given.chars().count() / 3).max(1);
    near.then(|| format!("did you mean {best}?"))
}
