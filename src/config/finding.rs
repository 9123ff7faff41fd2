//! What is wrong, or doubtful, with a configuration, and where.

use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// A place in the file: line and column, both from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
}

impl Position {
    /// The beginning of the file.
    pub(super) const START: Self = Self { line: 1, column: 1 };
}

/// Another place that belongs to a finding, such as the first of two cameras with one id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Related {
    /// The file, if it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Where.
    #[serde(flatten)]
    pub position: Position,
    /// What is there.
    pub note: String,
}

/// One mistake or warning, with its place, what was seen and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file as it was named by the caller, or by the file that includes it.
    pub file: PathBuf,
    /// Where in the file.
    #[serde(flatten)]
    pub position: Position,
    /// The key, as `cameras[0].rules[1].dwell_secs`; empty for the file as a whole.
    pub path: String,
    /// What was seen, completing a sentence that begins with the path.
    pub problem: String,
    /// What is allowed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
    /// What was probably meant, or how to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The other place, if two places contradict each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub related: Option<Related>,
    /// Index of the camera that it belongs to; none for what concerns the whole agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub camera: Option<usize>,
}

impl Finding {
    /// What concerns a whole file.
    pub(super) fn of_file(file: &Path, position: Position, problem: String, allowed: Option<String>) -> Self {
        let file = file.to_owned();
        Self { file, position, path: String::new(), problem, allowed, help: None, related: None, camera: None }
    }

    /// The sentence without its place, for a log line that names the place in fields.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut parts = vec![self.problem.clone()];
        parts.extend(self.allowed.iter().map(|allowed| format!("allowed: {allowed}")));
        parts.extend(self.help.clone());
        let separator = if self.path.is_empty() { "" } else { " " };
        let related = self.related.as_ref().map(|Related { file, position: Position { line, column }, note }| {
            let file = file.as_ref().map(|file| format!("{}:", file.display())).unwrap_or_default();
            format!(" ({note} at {file}{line}:{column})")
        });
        format!("{}{separator}{}{}", self.path, parts.join("; "), related.unwrap_or_default())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.position;
        write!(f, "{}:{line}:{column}: {}", self.file.display(), self.sentence())
    }
}

/// Everything that was found in a file and those that it includes, in the order of their lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// What makes the configuration unusable, as a whole or for one camera.
    pub errors: Vec<Finding>,
    /// What is allowed but probably not meant, or missing on this box at this moment.
    pub warnings: Vec<Finding>,
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors = self.errors.iter().map(ToString::to_string);
        let warnings = self.warnings.iter().map(|warning| format!("{warning} [warning]"));
        f.write_str(&errors.chain(warnings).collect::<Vec<_>>().join("\n"))
    }
}
