//! Collects findings while the checks go on, each bound to a key or value of the document.

use super::document::{Document, path_of};
use super::finding::{Finding, Findings, Position, Related};

/// A finding before it is bound to the file.
#[derive(Debug)]
pub(super) struct Draft {
    pointer: String,
    position: Option<Position>,
    at_key: bool,
    problem: String,
    allowed: Option<String>,
    help: Option<String>,
    related: Option<RelatedDraft>,
}

/// The other place of a contradiction, before it is bound to its file.
#[derive(Debug)]
struct RelatedDraft {
    pointer: String,
    at_key: bool,
    note: String,
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

    /// Names the other place of a contradiction, the value at a pointer.
    pub fn related(self, pointer: impl Into<String>, note: impl Into<String>) -> Self {
        Self { related: Some(RelatedDraft { pointer: pointer.into(), at_key: false, note: note.into() }), ..self }
    }

    /// As [`Self::related`], the key.
    pub fn related_key(self, pointer: impl Into<String>, note: impl Into<String>) -> Self {
        Self { related: Some(RelatedDraft { pointer: pointer.into(), at_key: true, note: note.into() }), ..self }
    }

    /// Sets the place, where the pointer alone cannot tell it.
    pub fn positioned(self, position: Position) -> Self {
        Self { position: Some(position), ..self }
    }
}

/// Binds drafts to their files and keeps them in the order of the lines.
#[derive(Debug)]
pub(super) struct Report<'a> {
    document: &'a Document,
    errors: Vec<Bound>,
    warnings: Vec<Bound>,
}

/// A finding, after the number of its file.
type Bound = (usize, Finding);

impl<'a> Report<'a> {
    /// Begins an empty report.
    pub fn new(document: &'a Document) -> Self {
        Self { document, errors: Vec::new(), warnings: Vec::new() }
    }

    /// Adds a mistake.
    pub fn error(&mut self, draft: Draft) {
        let finding = self.bind(draft);
        self.errors.push(finding);
    }

    /// Adds a warning.
    pub fn warning(&mut self, draft: Draft) {
        let finding = self.bind(draft);
        self.warnings.push(finding);
    }

    /// Everything found, in the order of the files and their lines.
    pub fn finish(self) -> Findings {
        let in_order = |mut list: Vec<Bound>| {
            list.sort_by(|(a_file, a), (b_file, b)| (a_file, a.position, &a.path).cmp(&(b_file, b.position, &b.path)));
            list.into_iter().map(|(_, finding)| finding).collect()
        };
        Findings { errors: in_order(self.errors), warnings: in_order(self.warnings) }
    }

    fn bind(&self, draft: Draft) -> Bound {
        let Draft { pointer, position, at_key, problem, allowed, help, related } = draft;
        let position_of = |pointer: &str, at_key: bool| {
            if at_key { self.document.key_position(pointer) } else { self.document.value_position(pointer) }
        };
        let (number, file) = self.document.file_of(&pointer);
        let related = related.map(|RelatedDraft { pointer, at_key, note }| {
            let (other, file) = self.document.file_of(&pointer);
            let file = (other != number).then(|| file.to_owned());
            Related { file, position: position_of(&pointer, at_key), note }
        });
        let finding = Finding {
            file: file.to_owned(),
            position: position.unwrap_or_else(|| position_of(&pointer, at_key)),
            path: path_of(&pointer),
            problem,
            allowed,
            help,
            related,
            camera: camera_of(&pointer),
        };
        (number, finding)
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
