//! Cameras from other files: a list `cameras` each, and nothing else.
//!
//! Bounds: [`MAX_INCLUDED`] files, and [`MAX_FILE_BYTES`](super::document::MAX_FILE_BYTES) in all. Whatever is wrong with one of the files
//! themselves concerns the whole agent: nobody knows which cameras were meant to be in it.

use super::document::{Document, MAX_FILE_BYTES};
use super::finding::{Finding, Position};
use super::load;
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};

/// Most files that are included; a gateway has a hundred cameras at most.
const MAX_INCLUDED: usize = 256;

/// A file as it was read.
pub(super) struct Source {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
}

/// What was included.
#[derive(Default)]
pub(super) struct Included {
    /// The files, in the order of reading.
    pub sources: Vec<Source>,
    /// Folders of which every file is included.
    pub folders: Vec<PathBuf>,
    /// What is wrong with them.
    pub mistakes: Vec<Finding>,
}

/// Reads the files that a document names, and adds their cameras to it; `changed` is taken in the place of what that file holds.
pub(super) fn include(document: &mut Document, changed: Option<&Source>) -> Included {
    let mut included = Included::default();
    let main = document.file_of("").1.to_owned();
    let base = main.parent().unwrap_or(Path::new(""));
    let count = document.get("/include").and_then(Value::as_array).map_or(0, Vec::len);
    for index in 0..count {
        let pointer = format!("/include/{index}");
        // What is no text is reported with the shape of the file.
        let Some(named) = document.get(&pointer).and_then(Value::as_str) else { continue };
        let named = base.join(named);
        let at_name = |problem: String| Finding {
            path: format!("include[{index}]"),
            ..Finding::of_file(&main, document.value_position(&pointer), problem, None)
        };
        match files_of(&named) {
            Ok(files) => {
                if named.is_dir() {
                    included.folders.push(named);
                }
                let room = MAX_INCLUDED.saturating_sub(included.sources.len());
                if files.len() > room {
                    included.mistakes.push(at_name(format!("makes it more than {MAX_INCLUDED} files")));
                }
                for path in files.into_iter().take(room) {
                    let bytes_before = included.sources.iter().map(|source| source.bytes.len()).sum();
                    match read(&path, changed, bytes_before) {
                        Ok(source) => included.sources.push(source),
                        Err(error) => included
                            .mistakes
                            .push(at_name(format!("names {}, which cannot be read: {error}", path.display()))),
                    }
                }
            }
            Err(error) => {
                included.mistakes.push(at_name(format!("is {}, which cannot be read: {error}", named.display())));
            }
        }
    }
    for source in &included.sources {
        match load::parse(&source.path, &source.bytes).map_err(|mistake| vec![*mistake]).and_then(only_cameras) {
            Ok(more) => document.append_cameras(more),
            Err(mistakes) => included.mistakes.extend(mistakes),
        }
    }
    included
}

/// The file, or those in the folder, by name.
fn files_of(named: &Path) -> io::Result<Vec<PathBuf>> {
    if !std::fs::metadata(named)?.is_dir() {
        return Ok(vec![named.to_owned()]);
    }
    let entries = std::fs::read_dir(named)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    let mut files: Vec<PathBuf> =
        entries.into_iter().filter(|path| path.extension() == Some("yaml".as_ref())).collect();
    files.sort();
    Ok(files)
}

fn read(path: &Path, changed: Option<&Source>, bytes_before: usize) -> io::Result<Source> {
    // A pipe would be waited for.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let changed = changed.filter(|changed| changed.path == path);
    let bytes = changed.map_or_else(|| load::read_bounded(path), |changed| Ok(changed.bytes.clone()))?;
    if bytes_before + bytes.len() > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("with it the included files are longer than {MAX_FILE_BYTES} bytes")));
    }
    Ok(Source { path: path.to_owned(), bytes })
}

/// A document that holds cameras alone.
fn only_cameras(document: Document) -> Result<Document, Vec<Finding>> {
    const ALLOWED: &str = "a list of cameras, under the key cameras";
    let finding = |position: Position, problem: String| {
        Finding::of_file(document.file_of("").1, position, problem, Some(ALLOWED.to_owned()))
    };
    let Value::Object(root) = &document.value else {
        return Err(vec![finding(Position::START, "the included file is no section".to_owned())]);
    };
    let mut mistakes: Vec<Finding> = root
        .keys()
        .filter(|key| *key != "cameras")
        .map(|key| {
            let pointer = super::document::join("", key);
            let path = super::document::path_of(&pointer);
            Finding { path, ..finding(document.key_position(&pointer), "cannot stand in an included file".to_owned()) }
        })
        .collect();
    if !root.get("cameras").is_some_and(Value::is_array) {
        mistakes
            .push(finding(document.value_position("/cameras"), "the included file has no list of cameras".to_owned()));
    }
    if mistakes.is_empty() { Ok(document) } else { Err(mistakes) }
}
