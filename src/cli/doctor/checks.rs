//! Looks at each piece: loads what can be loaded, makes what can be made, hashes what has a hash.

use super::{Need, Piece, State};
use crate::config::ModelConfig;
use crate::detect::manifest::Manifest;
#[cfg(feature = "staging")]
use crate::detect::manifest::sha256_of;
use crate::ingest::{DecoderChoice, Decoders};
use crate::install::{self, NotFound};
use gstreamer::prelude::PluginFeatureExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const MAKE_SETUP: &str = "make setup";
/// Digits of a hash that stand for a version.
const SHORT_HASH_DIGITS: usize = 12;

/// GStreamer elements that ingest and pictures are made of, with the Debian package of each.
const INGEST_ELEMENTS: [(&str, &str); 14] = [
    ("rtspsrc", "gstreamer1.0-plugins-good"),
    ("rtpbin", "gstreamer1.0-plugins-good"),
    ("udpsrc", "gstreamer1.0-plugins-good"),
    ("rtph264depay", "gstreamer1.0-plugins-good"),
    ("rtph265depay", "gstreamer1.0-plugins-good"),
    ("h264parse", "gstreamer1.0-plugins-bad"),
    ("h265parse", "gstreamer1.0-plugins-bad"),
    ("avdec_h264", "gstreamer1.0-libav"),
    ("avdec_h265", "gstreamer1.0-libav"),
    ("identity", "libgstreamer1.0-0"),
    ("queue", "libgstreamer1.0-0"),
    ("videoconvert", "gstreamer1.0-plugins-base"),
    ("appsink", "gstreamer1.0-plugins-base"),
    ("jpegenc", "gstreamer1.0-plugins-good"),
];

/// GStreamer elements that the staged street and the virtual camera are made of, with the Debian package of each.
#[cfg(feature = "staging")]
const STAGING_ELEMENTS: [(&str, &str); 10] = [
    ("avidemux", "gstreamer1.0-plugins-good"),
    ("avdec_msmpeg4", "gstreamer1.0-libav"),
    ("decodebin", "gstreamer1.0-plugins-base"),
    ("appsrc", "gstreamer1.0-plugins-base"),
    ("x264enc", "gstreamer1.0-plugins-ugly"),
    ("x265enc", "gstreamer1.0-plugins-bad"),
    ("mp4mux", "gstreamer1.0-plugins-good"),
    ("qtdemux", "gstreamer1.0-plugins-good"),
    ("rtph264pay", "gstreamer1.0-plugins-good"),
    ("rtph265pay", "gstreamer1.0-plugins-good"),
];

/// Every piece that this build needs.
pub(super) fn all() -> Vec<Piece> {
    let mut pieces = gstreamer_pieces();
    pieces.push(onnx_runtime());
    pieces.extend(install::built_in_models().map(model));
    #[cfg(feature = "staging")]
    pieces.extend(install::footage_files().map(|(name, sha256)| footage(name, sha256)));
    pieces.push(mosquitto());
    pieces
}

fn gstreamer_pieces() -> Vec<Piece> {
    let name = "GStreamer".to_owned();
    if let Err(error) = gstreamer::init() {
        let state = damaged(format!("it does not start: {error}"), MAKE_SETUP);
        return vec![Piece { name, needed_by: Need::Run, state }];
    }
    let (major, minor, micro, _) = gstreamer::version();
    let state = State::Present { version: Some(format!("{major}.{minor}.{micro}")), path: None };
    let mut pieces = vec![Piece { name, needed_by: Need::Run, state }];
    pieces.extend(INGEST_ELEMENTS.map(|(element, package)| gstreamer_element(element, package, Need::Run)));
    #[cfg(feature = "staging")]
    {
        pieces.extend(STAGING_ELEMENTS.map(|(element, package)| gstreamer_element(element, package, Need::Staging)));
        pieces.push(rtsp_server_library());
    }
    pieces.extend(Decoders::of_this_box().choices().iter().map(decoder));
    pieces
}

/// What decodes a codec, and why nothing better does.
fn decoder(choice: &DecoderChoice) -> Piece {
    let passed_over: Vec<String> =
        choice.passed_over.iter().map(|over| format!("{}: {}", over.platform, over.reason)).collect();
    let state = match &choice.platform {
        None => damaged(passed_over.join("; "), "apt-get install gstreamer1.0-libav"),
        Some(platform) if passed_over.is_empty() => State::Present { version: Some(platform.name.clone()), path: None },
        Some(platform) => {
            let version = format!("{}; not {}", platform.name, passed_over.join("; not "));
            State::Present { version: Some(version), path: None }
        }
    };
    Piece { name: format!("decoder {}", choice.codec.as_str()), needed_by: Need::Run, state }
}

/// Makes the element once: a plugin that is registered may still fail to load.
fn gstreamer_element(element: &str, package: &str, needed_by: Need) -> Piece {
    let remedy = format!("apt-get install {package}");
    let state = match gstreamer::ElementFactory::find(element) {
        None => State::Missing { reason: "GStreamer does not know this element".to_owned(), remedy },
        Some(factory) => match factory.create().build() {
            Ok(_) => {
                let plugin = factory.plugin();
                State::Present {
                    version: plugin.as_ref().map(|plugin| plugin.version().to_string()),
                    path: plugin.and_then(|plugin| plugin.filename()),
                }
            }
            Err(error) => damaged(format!("GStreamer cannot make it: {error}"), &remedy),
        },
    };
    Piece { name: format!("GStreamer element {element}"), needed_by, state }
}

/// The binary is linked with it, so a process that got here has it.
#[cfg(feature = "staging")]
fn rtsp_server_library() -> Piece {
    let state = State::Present { version: None, path: None };
    Piece { name: "GStreamer RTSP server library".to_owned(), needed_by: Need::Staging, state }
}

fn onnx_runtime() -> Piece {
    let state = match install::runtime_library() {
        Err(not_found) => missing(not_found),
        Ok(path) => load_onnx_runtime(path),
    };
    Piece { name: "ONNX Runtime".to_owned(), needed_by: Need::Run, state }
}

fn load_onnx_runtime(path: PathBuf) -> State {
    match ort::init_from(&path) {
        Ok(_environment) => State::Present { version: library_version(&path), path: Some(path) },
        Err(error) => damaged(error.to_string(), MAKE_SETUP),
    }
}

/// `1.31.1` if the library's own file, behind any links, is called `libonnxruntime.so.1.31.1`.
fn library_version(path: &Path) -> Option<String> {
    let file = path.canonicalize().ok()?;
    let (_, version) = file.file_name()?.to_str()?.split_once(".so.")?;
    Some(version.to_owned())
}

fn model(name: &str) -> Piece {
    let state = match install::manifest(name) {
        Err(error) => damaged(error.to_string(), "a build of curbwatch whose manifests are whole"),
        Ok(manifest) => model_state(&manifest),
    };
    let is_default = name == ModelConfig::default().manifest;
    Piece { name: format!("model {name}"), needed_by: if is_default { Need::Run } else { Need::DemoAndTests }, state }
}

fn model_state(manifest: &Manifest) -> State {
    let path = match install::model_file(manifest) {
        Ok(path) => path,
        Err(not_found) => return missing(not_found),
    };
    match manifest.verify_file(&path) {
        Ok(()) => State::Present { version: Some(hash_version(manifest.sha256.as_str())), path: Some(path) },
        Err(error) => damaged(error.to_string(), MAKE_SETUP),
    }
}

#[cfg(feature = "staging")]
fn footage(name: &str, sha256: &str) -> Piece {
    let state = match install::footage(name) {
        Err(not_found) => missing(not_found),
        Ok(path) => match std::fs::File::open(&path).and_then(|mut file| sha256_of(&mut file)) {
            Ok(found) if found == sha256 => State::Present { version: Some(hash_version(sha256)), path: Some(path) },
            Ok(found) => damaged(format!("{} has sha256 {found} instead of {sha256}", path.display()), MAKE_SETUP),
            Err(error) => damaged(format!("{} cannot be read: {error}", path.display()), MAKE_SETUP),
        },
    };
    Piece { name: format!("footage {name}"), needed_by: Need::Staging, state }
}

fn mosquitto() -> Piece {
    let state = match find_program("mosquitto") {
        None => State::Missing {
            reason: "it is in none of the folders of PATH, nor in /usr/sbin".to_owned(),
            remedy: "apt-get install mosquitto".to_owned(),
        },
        Some(path) => match Command::new(&path).arg("-h").output() {
            Ok(output) => State::Present {
                version: mosquitto_version(&String::from_utf8_lossy(&output.stdout)),
                path: Some(path),
            },
            Err(error) => damaged(format!("{} does not start: {error}", path.display()), "apt-get install mosquitto"),
        },
    };
    Piece { name: "mosquitto".to_owned(), needed_by: Need::DemoAndTests, state }
}

/// The version in `mosquitto -h`, whose first line is `mosquitto version 2.0.11`.
fn mosquitto_version(help: &str) -> Option<String> {
    help.lines().next()?.strip_prefix("mosquitto version ").map(|version| version.trim().to_owned())
}

/// Debian keeps servers in `/usr/sbin`, which is not in every user's PATH.
fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|candidate| candidate.is_file())
}

fn hash_version(sha256: &str) -> String {
    format!("sha256 {}…", &sha256[..SHORT_HASH_DIGITS])
}

fn missing(not_found: NotFound) -> State {
    let places: Vec<_> = not_found.places.iter().map(|place| place.display().to_string()).collect();
    State::Missing { reason: format!("looked at {}", places.join(", ")), remedy: not_found.remedy }
}

fn damaged(reason: String, remedy: &str) -> State {
    State::Damaged { reason, remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_that_gstreamer_does_not_know_is_missing_with_its_package() {
        gstreamer::init().unwrap();
        let piece = gstreamer_element("nosuchelement", "gstreamer1.0-nothing", Need::Run);
        let State::Missing { remedy, .. } = piece.state else { panic!("{piece:?}") };
        assert_eq!(remedy, "apt-get install gstreamer1.0-nothing");
    }

    #[test]
    fn a_runtime_library_that_is_not_one_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("libonnxruntime.so");
        std::fs::write(&path, "not a library").unwrap();
        let state = load_onnx_runtime(path.clone());
        let State::Damaged { reason, .. } = state else { panic!("{state:?}") };
        assert!(reason.contains(&path.display().to_string()), "{reason}");
    }

    #[test]
    fn versions_are_read_where_they_stand() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("libonnxruntime.so.1.31.1"), "").unwrap();
        let link = folder.path().join("libonnxruntime.so");
        std::os::unix::fs::symlink("libonnxruntime.so.1.31.1", &link).unwrap();
        assert_eq!(library_version(&link).as_deref(), Some("1.31.1"));
        assert_eq!(mosquitto_version("mosquitto version 2.0.11\n\nmosquitto is").as_deref(), Some("2.0.11"));
        assert_eq!(mosquitto_version("usage"), None);
    }
}
