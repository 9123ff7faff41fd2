//! From a file to a [`Config`], or to everything that is wrong with it.

use super::document::{Document, MAX_FILE_BYTES};
use super::finding::{Finding, Findings, Position};
use super::include::Source;
use super::report::{Draft, Report};
use super::schema::SchemaTree;
use super::{Config, ModelConfig, include, meaning, structure};
use crate::ids::Name;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Finds the class names of the model that a configuration names, or says why they are not known; then classes are not
/// checked, and a warning says so.
pub type ClassesOf<'a> = dyn Fn(&str) -> Result<Vec<String>, String> + 'a;

/// A configuration that can be run.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration, with the cameras that are right.
    pub config: Config,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Finding>,
    /// The cameras that are wrong and not in `config`.
    pub set_aside: Vec<SetAside>,
    /// SHA-256 of the file followed by those that it includes, in lower-case hexadecimal.
    pub digest_sha256: String,
    /// The file, those that it includes, and the folders of which it includes every file.
    pub files: Vec<PathBuf>,
}

/// A camera that is not run because of its mistakes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Index in the file's list, from 0.
    pub index: usize,
    /// Its id, if that much could be read.
    pub id: Option<String>,
    /// Its mistakes, at least one.
    pub mistakes: Vec<Finding>,
}

/// The configuration cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("failed to read the configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file has mistakes outside its cameras, or in every camera.
    #[error("{0}")]
    Wrong(Findings),
}

/// Loads a configuration to run it: a camera with mistakes is set aside, any other mistake is an error.
pub fn load(path: &Path, classes_of: &ClassesOf) -> Result<Loaded, LoadError> {
    load_bytes(path, &read(path)?, classes_of)
}

/// As [`load`], from what the file at `path` holds, or would hold.
pub fn load_bytes(path: &Path, bytes: &[u8], classes_of: &ClassesOf) -> Result<Loaded, LoadError> {
    let Examined { document, findings, digest_sha256, files } = examine(path, bytes, classes_of);
    let Some(document) = document else { return Err(LoadError::Wrong(findings)) };
    if findings.errors.iter().any(|mistake| mistake.camera.is_none()) {
        return Err(LoadError::Wrong(findings));
    }
    let mut mistakes_by_camera: BTreeMap<usize, Vec<Finding>> = BTreeMap::new();
    for mistake in &findings.errors {
        if let Some(index) = mistake.camera {
            mistakes_by_camera.entry(index).or_default().push(mistake.clone());
        }
    }
    let id_of = |index: usize| document.get(&format!("/cameras/{index}/id")).and_then(Value::as_str).map(str::to_owned);
    let set_aside: Vec<SetAside> = mistakes_by_camera
        .into_iter()
        .map(|(index, mistakes)| SetAside { index, id: id_of(index), mistakes })
        .collect();
    match without_cameras(&document.value, &set_aside) {
        Some(Ok(config)) => Ok(Loaded { config, warnings: findings.warnings, set_aside, digest_sha256, files }),
        Some(Err(error)) => Err(LoadError::Wrong(unfit(&document, &error, findings))),
        None => Err(LoadError::Wrong(findings)),
    }
}

/// Checks a configuration strictly: every mistake and warning of the file and of those that it includes.
pub fn check(path: &Path, classes_of: &ClassesOf) -> Result<Findings, LoadError> {
    Ok(judge(examine(path, &read(path)?, classes_of)))
}

fn judge(Examined { document, findings, .. }: Examined) -> Findings {
    match document {
        Some(document) if findings.errors.is_empty() => match without_cameras(&document.value, &[]) {
            Some(Err(error)) => unfit(&document, &error, findings),
            Some(Ok(_)) | None => findings,
        },
        Some(_) | None => findings,
    }
}

/// As [`check`], with one of its files as it would be.
pub(super) fn check_changed(
    main: &Path,
    changed: &Path,
    content: &[u8],
    classes_of: &ClassesOf,
) -> Result<Findings, LoadError> {
    let (bytes, changed) = if changed == main {
        (content.to_vec(), None)
    } else {
        (read(main)?, Some(Source { path: changed.to_owned(), bytes: content.to_vec() }))
    };
    Ok(judge(examine_changed(main, &bytes, changed.as_ref(), classes_of)))
}

/// The file in which a camera stands; none if it stands in none. Mistakes elsewhere do not matter.
pub(super) fn file_of_camera(main: &Path, camera: &Name) -> Result<Option<PathBuf>, LoadError> {
    let mistaken = |mistake: Box<Finding>| LoadError::Wrong(Findings { errors: vec![*mistake], warnings: Vec::new() });
    let mut document = parse(main, &read(main)?).map_err(mistaken)?;
    include::include(&mut document, None);
    let cameras = document.get("/cameras").and_then(Value::as_array);
    let index = cameras.and_then(|cameras| cameras.iter().position(|known| known["id"] == camera.as_str()));
    Ok(index.map(|index| document.file_of(&format!("/cameras/{index}")).1.to_owned()))
}

/// A configuration without mistakes, and the document from which it is; any mistake is an error.
pub(super) fn load_strictly(path: &Path, classes_of: &ClassesOf) -> Result<(Document, Config), LoadError> {
    let Examined { document, findings, .. } = examine(path, &read(path)?, classes_of);
    match document {
        Some(document) if findings.errors.is_empty() => match without_cameras(&document.value, &[]) {
            Some(Ok(config)) => Ok((document, config)),
            Some(Err(error)) => Err(LoadError::Wrong(unfit(&document, &error, findings))),
            None => Err(LoadError::Wrong(findings)),
        },
        Some(_) | None => Err(LoadError::Wrong(findings)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    read_bounded(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })
}

/// What a file holds, one byte beyond [`MAX_FILE_BYTES`] at most.
pub(super) fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A configuration as it was read and checked.
struct Examined {
    /// None if the text is not YAML.
    document: Option<Document>,
    findings: Findings,
    digest_sha256: String,
    files: Vec<PathBuf>,
}

/// Parses and checks a file with those that it includes.
fn examine(path: &Path, bytes: &[u8], classes_of: &ClassesOf) -> Examined {
    examine_changed(path, bytes, None, classes_of)
}

/// The same, with one of the included files as it would be.
fn examine_changed(path: &Path, bytes: &[u8], changed: Option<&Source>, classes_of: &ClassesOf) -> Examined {
    let mut digest = Sha256::new_with_prefix(bytes);
    let mut files = vec![path.to_owned()];
    let mut document = match parse(path, bytes) {
        Ok(document) => document,
        Err(mistake) => {
            let findings = Findings { errors: vec![*mistake], warnings: Vec::new() };
            return Examined { document: None, findings, digest_sha256: format!("{:x}", digest.finalize()), files };
        }
    };
    let included = include::include(&mut document, changed);
    for source in &included.sources {
        digest.update(&source.bytes);
    }
    files.extend(included.sources.into_iter().map(|source| source.path).chain(included.folders));
    let manifest = document.get("/model/manifest").and_then(Value::as_str).map(str::to_owned);
    let classes = classes_of(&manifest.unwrap_or_else(|| ModelConfig::default().manifest));
    let mut report = Report::new(&document);
    structure::check(&document, &SchemaTree::of_config(), &mut report);
    meaning::check(&document, classes.as_deref(), &mut report);
    let mut findings = report.finish();
    findings.errors.splice(0..0, included.mistakes);
    Examined { document: Some(document), findings, digest_sha256: format!("{:x}", digest.finalize()), files }
}

/// Parses one file.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Document, Box<Finding>> {
    let mistake = |position, problem: String, allowed: Option<String>| {
        Box::new(Finding::of_file(path, position, problem, allowed))
    };
    if bytes.len() > MAX_FILE_BYTES {
        let allowed = format!("at most {MAX_FILE_BYTES} bytes");
        return Err(mistake(Position::START, "the file is too long".to_owned(), Some(allowed)));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].split(|&byte| byte == b'\n').count() as u64;
        mistake(Position { line, column: 1 }, "this line is not text".to_owned(), Some("UTF-8".to_owned()))
    })?;
    Document::parse(path, text)
        .map_err(|error| mistake(error.position, format!("this is not YAML: {}", error.reason), None))
}

/// The configuration without the cameras that were set aside; none if no camera is left.
fn without_cameras(value: &Value, set_aside: &[SetAside]) -> Option<serde_json::Result<Config>> {
    let mut value = value.clone();
    let cameras = value.get_mut("cameras")?.as_array_mut()?;
    let mut index = 0;
    cameras.retain(|_| {
        let keep = set_aside.iter().all(|camera| camera.index != index);
        index += 1;
        keep
    });
    (!cameras.is_empty()).then(|| serde_json::from_value(value))
}

/// The checks let something pass that the types refuse: still a mistake with a sentence, not a panic.
fn unfit(document: &Document, error: &serde_json::Error, findings: Findings) -> Findings {
    let mut report = Report::new(document);
    report.error(Draft::at_value("", format!("the configuration cannot be used: {error}")));
    let mut errors = findings.errors;
    errors.extend(report.finish().errors);
    Findings { errors, ..findings }
}
