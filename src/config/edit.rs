//! The zones of a camera written into the file in which they stand, and nothing else of it changed: not a byte, no comment.
//!
//! Every change is a span of the text that is replaced ([`super::spans`]). What came of it is parsed again and must hold exactly what was to be changed;
//! then the whole configuration with it is checked as strictly as `check` does. Only after that the file is written, whole or not at all.

use super::document::Document;
use super::finding::Findings;
use super::load::{self, ClassesOf, LoadError};
use super::spans::{block_end, flow_end, line_start, offset_of};
use super::{CameraConfig, ZoneConfig};
use crate::ids::Name;
use crate::sha256::sha256_hex;
use serde_json::Value;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

/// Why zones are not written. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The configuration on the disk cannot be read.
    #[error("the files of the configuration are not right as they are")]
    Load(#[source] LoadError),
    /// The camera is not in the files.
    #[error("the camera {0} is no longer in the files of the configuration")]
    NoCamera(Name),
    /// The text is written so that a change could touch more than it should.
    #[error("{} is written in a form that is not edited: {why}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What about it.
        why: &'static str,
    },
    /// With the change the configuration would have mistakes.
    #[error("the configuration would have mistakes:\n{0}")]
    Wrong(Findings),
    /// The file was changed while this went on.
    #[error("{} has just been changed by somebody else", .0.display())]
    Changed(PathBuf),
    /// The file cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub path: PathBuf,
    /// Digest of what it holds now.
    pub sha256: String,
}

/// Writes the zones of a camera, and the names of zones that its rules have besides, into the configuration of which `main` is the first file.
pub fn write_zones(main: &Path, camera: &CameraConfig, classes_of: &ClassesOf) -> Result<Written, EditError> {
    let path = load::file_of_camera(main, &camera.id).map_err(EditError::Load)?;
    let path = path.ok_or_else(|| EditError::NoCamera(camera.id.clone()))?;
    let failed = |source| EditError::Write { path: path.clone(), source };
    let before = load::read_bounded(&path).map_err(failed)?;
    let text = String::from_utf8(before.clone()).map_err(|_| form(&path, "it is not UTF-8"))?;
    let after = with_zones(&path, &text, camera)?;
    let findings = load::check_changed(main, &path, after.as_bytes(), classes_of).map_err(EditError::Load)?;
    if !findings.errors.is_empty() {
        return Err(EditError::Wrong(Findings { warnings: Vec::new(), ..findings }));
    }
    if load::read_bounded(&path).map_err(failed)? != before {
        return Err(EditError::Changed(path));
    }
    if after.as_bytes() != before {
        replace(&path, after.as_bytes()).map_err(failed)?;
    }
    Ok(Written { sha256: sha256_hex(&after), path })
}

/// Puts other content into the place of a file: whole or not at all, with the same mode, and the same owner where that may be given.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    // The file itself, not a link to it.
    let path = fs::canonicalize(path)?;
    let (folder, metadata) = (path.parent().unwrap_or(Path::new("/")), fs::metadata(&path)?);
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let beside = folder.join(name);
    let put = || -> io::Result<()> {
        // What a crash left: nobody else writes under this name.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(metadata.mode()).open(&beside)?;
        file.set_permissions(metadata.permissions())?;
        // Only root may give a file away; who may write here may read what it holds.
        let _ = fchown(&file, Some(metadata.uid()), Some(metadata.gid()));
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        File::open(folder)?.sync_all()
    };
    put().inspect_err(|_| {
        // Frees the space; the next attempt removes it else, and the first error says more.
        let _ = fs::remove_file(&beside);
    })
}

fn form(path: &Path, why: &'static str) -> EditError {
    EditError::Form { path: path.to_owned(), why }
}

/// The text of a file with other zones of a camera that is in it.
fn with_zones(path: &Path, text: &str, camera: &CameraConfig) -> Result<String, EditError> {
    let parse = |text: &str| Document::parse(path, text).map_err(|_| form(path, "it is not YAML"));
    let document = parse(text)?;
    let mut edit = Edit { text, document: &document, expected: document.value.clone(), changes: Vec::new() };
    edit.camera(camera).map_err(|why| form(path, why))?;
    let Edit { expected, mut changes, .. } = edit;
    // From the end, so that the places of the others stay; at one place in the order in which they were made.
    changes.sort_by_key(|(span, _)| span.start);
    let mut after = text.to_owned();
    for (span, replacement) in changes.into_iter().rev() {
        after.replace_range(span, &replacement);
    }
    let is_as_meant = parse(&after)?.value == expected;
    is_as_meant.then_some(after).ok_or_else(|| form(path, "more than the zones would change; is there an anchor?"))
}

/// A text that is being changed.
struct Edit<'t> {
    text: &'t str,
    document: &'t Document,
    /// What the text must hold in the end.
    expected: Value,
    changes: Vec<(Range<usize>, String)>,
}

type Edited = Result<(), &'static str>;

impl Edit<'_> {
    fn camera(&mut self, camera: &CameraConfig) -> Edited {
        let cameras = self.document.get("/cameras").and_then(Value::as_array).ok_or("it has no list of cameras")?;
        let index = cameras.iter().position(|known| known["id"] == camera.id.as_str());
        let at = format!("/cameras/{}", index.ok_or("the camera is not in it")?);
        self.zones(&at, &camera.zones)?;
        for rule in &camera.rules {
            let rules = self.document.get(&format!("{at}/rules")).and_then(Value::as_array);
            let known = rules.and_then(|rules| rules.iter().position(|known| known["id"] == rule.id.as_str()));
            let known = known.ok_or("a rule of the camera is not in it")?;
            self.zones_of_rule(&format!("{at}/rules/{known}/zones"), &rule.zones)?;
        }
        Ok(())
    }

    fn zones(&mut self, camera: &str, wanted: &[ZoneConfig]) -> Edited {
        let list = format!("{camera}/zones");
        let known: Vec<Value> = self.document.get(&list).and_then(Value::as_array).cloned().unwrap_or_default();
        let is_known = |zone: &ZoneConfig| known.iter().any(|known| known["id"] == zone.id.as_str());
        let mut expected = Vec::new();
        for (index, before) in known.iter().enumerate() {
            let item = format!("{list}/{index}");
            match wanted.iter().find(|zone| before["id"] == zone.id.as_str()) {
                Some(zone) => expected.push(self.polygon(&format!("{item}/polygon"), before, zone)?),
                None => self.changes.push((self.item_lines(&item)?, String::new())),
            }
        }
        let new: Vec<&ZoneConfig> = wanted.iter().filter(|zone| !is_known(zone)).collect();
        expected.extend(new.iter().map(|zone| value_of(zone)));
        if known.is_empty() {
            self.first_zones(camera, &list, &new)?;
        } else if expected.is_empty() {
            let colon = self.start_of_key(&list) + "zones:".len();
            self.changes.push((colon..colon, " []".to_owned()));
        } else if !new.is_empty() {
            let lowest = format!("{list}/{}", known.len() - 1);
            let (dash, end) = (self.dash_of(&lowest)?, self.item_lines(&lowest)?.end);
            let indent = dash - line_start(self.text, dash);
            self.insert_lines(end, &new.iter().map(|zone| item(zone, indent)).collect::<String>());
        }
        if let Some(camera) = self.expected.pointer_mut(camera)
            && (!known.is_empty() || !expected.is_empty())
        {
            camera["zones"] = expected.into();
        }
        Ok(())
    }

    /// Replaces a polygon if it is another one; what stands there in the end.
    fn polygon(&mut self, at: &str, before: &Value, zone: &ZoneConfig) -> Result<Value, &'static str> {
        let known: Option<Vec<[f32; 2]>> = serde_json::from_value(before["polygon"].clone()).ok();
        let wanted: Vec<[f32; 2]> = zone.polygon.clone().into();
        if known.as_ref() == Some(&wanted) {
            return Ok(before.clone());
        }
        let span = self.span(at)?;
        self.changes.push((span, corners(zone)));
        let mut after = before.clone();
        after["polygon"] = value_of(zone)["polygon"].clone();
        Ok(after)
    }

    /// Where no zone stands yet.
    fn first_zones(&mut self, camera: &str, list: &str, new: &[&ZoneConfig]) -> Edited {
        if new.is_empty() {
            return Ok(());
        }
        let key = format!("{camera}/id");
        let indent = self.dash_of(camera)?;
        let indent = self.start_of_key(&key) - line_start(self.text, indent);
        let lines: String = new.iter().map(|zone| item(zone, indent + 2)).collect();
        if self.document.has(list) {
            let span = self.span(list)?;
            self.changes.push((span, format!("\n{}", lines.trim_end_matches('\n'))));
        } else {
            let end = self.end_of_line(self.start_of_key(&key));
            self.insert_lines(end, &format!("{}zones:\n{lines}", " ".repeat(indent)));
        }
        Ok(())
    }

    /// Adds the names of zones to those that a rule has.
    fn zones_of_rule(&mut self, list: &str, wanted: &[Name]) -> Edited {
        let known: Vec<Value> = self.document.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
        let new: Vec<&str> =
            wanted.iter().map(Name::as_str).filter(|name| !known.iter().any(|known| known == name)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let start = self.offset(list);
        if self.text[start..].starts_with('[') {
            let bracket = flow_end(self.text, start).ok_or("a list has no end")? - 1;
            let comma = if known.is_empty() { "" } else { ", " };
            self.changes.push((bracket..bracket, format!("{comma}{}", new.join(", "))));
        } else {
            let lowest = format!("{list}/{}", known.len().checked_sub(1).ok_or("a rule has no list of zones")?);
            let (dash, end) = (self.dash_of(&lowest)?, self.item_lines(&lowest)?.end);
            let indent = " ".repeat(dash - line_start(self.text, dash));
            let lines: Vec<String> = new.iter().map(|name| format!("{indent}- {name}\n")).collect();
            self.insert_lines(end, &lines.concat());
        }
        if let Some(Value::Array(names)) = self.expected.pointer_mut(list) {
            names.extend(new.into_iter().map(Value::from));
        }
        Ok(())
    }

    /// Inserts whole lines at the beginning of a line, or at the end of the text.
    fn insert_lines(&mut self, at: usize, lines: &str) {
        let lacks_end = at > 0 && !self.text[..at].ends_with('\n');
        let lines = if lacks_end { format!("\n{}", lines.trim_end_matches('\n')) } else { lines.to_owned() };
        self.changes.push((at..at, lines));
    }

    fn offset(&self, pointer: &str) -> usize {
        offset_of(self.text, self.document.value_position(pointer))
    }

    fn start_of_key(&self, pointer: &str) -> usize {
        offset_of(self.text, self.document.key_position(pointer))
    }

    /// Where a value stands, to its end.
    fn span(&self, pointer: &str) -> Result<Range<usize>, &'static str> {
        let start = self.offset(pointer);
        let end = match self.text[start..].chars().next() {
            Some('[' | '{') => flow_end(self.text, start).ok_or("a list has no end")?,
            Some('-') => block_end(self.text, start),
            _ => return Err("a list is neither in brackets nor in lines of its own"),
        };
        Ok(start..end)
    }

    /// The dash before an item of a list in lines of its own.
    fn dash_of(&self, item: &str) -> Result<usize, &'static str> {
        let start = self.offset(item);
        let before = &self.text[line_start(self.text, start)..start];
        let is_dash = before.trim() == "-";
        let dash = before
            .find('-')
            .filter(|_| is_dash)
            .ok_or("a list stands in brackets, where nothing is added or taken out")?;
        Ok(line_start(self.text, start) + dash)
    }

    /// The lines of an item, to the beginning of the line behind it.
    fn item_lines(&self, item: &str) -> Result<Range<usize>, &'static str> {
        let dash = self.dash_of(item)?;
        let end = block_end(self.text, dash + 1).max(dash + 1);
        Ok(line_start(self.text, dash)..self.end_of_line(end - 1))
    }

    /// The beginning of the next line.
    fn end_of_line(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |end| at + end + 1)
    }
}

/// A zone as an item of a list.
fn item(zone: &ZoneConfig, indent: usize) -> String {
    let indent = " ".repeat(indent);
    // In quotes as JSON writes it, which YAML reads.
    let name = zone.name.as_ref().map(|name| format!("{indent}  name: {}\n", Value::from(name.as_str())));
    format!("{indent}- id: {}\n{}{indent}  polygon: {}\n", id(&zone.id), name.unwrap_or_default(), corners(zone))
}

/// A name as YAML takes it for a text.
fn id(name: &Name) -> String {
    let name = name.as_str();
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && !matches!(name, "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n");
    if is_plain { name.to_owned() } else { Value::from(name).to_string() }
}

fn corners(zone: &ZoneConfig) -> String {
    let corners: Vec<String> =
        zone.polygon.0.corners().iter().map(|corner| format!("[{}, {}]", corner.x, corner.y)).collect();
    format!("[{}]", corners.join(", "))
}

/// A zone as it is read from [`item`].
fn value_of(zone: &ZoneConfig) -> Value {
    let document = Document::parse(Path::new(""), &item(zone, 0)).expect("it is written as YAML");
    document.value[0].clone()
}

/// The zones as YAML, for whoever puts them into the file by hand.
#[must_use]
pub fn zones_as_yaml(zones: &[ZoneConfig]) -> String {
    let items: String = zones.iter().map(|zone| item(zone, 2)).collect();
    if items.is_empty() { "zones: []\n".to_owned() } else { format!("zones:\n{items}") }
}

#[cfg(test)]
mod tests;
