//! Where the pieces that set-up installs are found: runtime library, models, footage.
//!
//! No environment variable is needed. Each piece is looked for, in this order: beside the executable (`../lib/curbwatch`,
//! `../share/curbwatch`: a package unpacked anywhere), in `/usr/lib/curbwatch` or `/usr/share/curbwatch` (a Debian
//! package), and in the user's cache folder, where `make setup` puts it. The manifests of `models/` are compiled in and
//! come first, so that a file left by an older version cannot stand in for the one that this binary was tested with.

use crate::detect::manifest::{Manifest, ManifestError};
use std::fmt;
use std::path::{Path, PathBuf};

/// File name of ONNX Runtime's shared library.
const RUNTIME_LIBRARY: &str = "libonnxruntime.so";

/// Interpreter of the Python environment that set-up makes, in the folder that holds models and footage.
const PYTHON: &str = "python/bin/python";

/// How to get a piece that is missing.
const MAKE_SETUP: &str = "make setup";

/// The manifests of `models/` by name.
const BUILT_IN_MANIFESTS: [(&str, &str); 3] = [
    ("centerface-640x384", include_str!("../models/centerface-640x384.yaml")),
    ("ssdlite-mobilenet-v2-300", include_str!("../models/ssdlite-mobilenet-v2-300.yaml")),
    ("yolov4-tiny-416", include_str!("../models/yolov4-tiny-416.yaml")),
];

/// Hashes of the footage, in the format of `sha256sum`.
const FOOTAGE_SHA256: &str = include_str!("../scripts/footage.sha256");

/// A piece is in none of its places.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct NotFound {
    /// What was looked for, in words.
    pub what: String,
    /// The paths looked at, in order.
    pub places: Vec<PathBuf>,
    /// The command that gets it, or what to write instead.
    pub remedy: String,
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to find {}", self.what)?;
        if !self.places.is_empty() {
            let places: Vec<_> = self.places.iter().map(|place| place.display().to_string()).collect();
            write!(f, " (looked at {})", places.join(", "))?;
        }
        write!(f, "; to get it: {}", self.remedy)
    }
}

/// Why there is no manifest for a name or path.
#[derive(Debug, thiserror::Error)]
pub enum FindManifestError {
    /// No manifest of that name.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// There is one, and it is not usable.
    #[error(transparent)]
    Unusable(#[from] ManifestError),
}

/// ONNX Runtime's shared library.
pub fn runtime_library() -> Result<PathBuf, NotFound> {
    Places::of_this_process().runtime_library()
}

/// The manifest of a model by its name, or by the path of its file (anything with a slash, or that ends in `.yaml`).
pub fn manifest(name_or_path: &str) -> Result<Manifest, FindManifestError> {
    Places::of_this_process().manifest(name_or_path)
}

/// The model file of a manifest. Its content is not looked at: see [`Manifest::verify_file`].
pub fn model_file(manifest: &Manifest) -> Result<PathBuf, NotFound> {
    Places::of_this_process().model_file(manifest)
}

/// A file of the footage that set-up installs, by its name.
pub fn footage(file_name: &str) -> Result<PathBuf, NotFound> {
    Places::of_this_process().footage(file_name)
}

/// The Python with the packages that convert models; only set-up makes it, no package of the agent has one.
pub fn python() -> Result<PathBuf, NotFound> {
    Places::of_this_process().python()
}

/// Names of the models whose manifests are compiled in.
pub fn built_in_models() -> impl Iterator<Item = &'static str> {
    BUILT_IN_MANIFESTS.iter().map(|&(name, _)| name)
}

/// Each file of the footage that set-up installs, with its SHA-256 as lower-case hexadecimal digits.
pub fn footage_files() -> impl Iterator<Item = (&'static str, &'static str)> {
    FOOTAGE_SHA256.lines().filter_map(|line| line.split_once("  ").map(|(sha256, name)| (name, sha256)))
}

/// The folders that are searched, in order.
#[derive(Debug, Clone)]
struct Places {
    /// Folders of shared libraries.
    library: Vec<PathBuf>,
    /// Folders with `models/` and `footage/`.
    data: Vec<PathBuf>,
}

impl Places {
    fn of_this_process() -> Self {
        let prefix = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.parent()?.to_path_buf()));
        let cache = dirs::cache_dir().map(|folder| folder.join("curbwatch"));
        Self::new(prefix.as_deref(), cache.as_deref())
    }

    fn new(prefix: Option<&Path>, cache: Option<&Path>) -> Self {
        let folders = |kind: &str, in_cache: &str| {
            let beside = prefix.map(|prefix| prefix.join(kind).join("curbwatch"));
            let system = Path::new("/usr").join(kind).join("curbwatch");
            let cached = cache.map(|cache| cache.join(in_cache));
            let mut folders: Vec<PathBuf> = beside.into_iter().chain([system]).chain(cached).collect();
            folders.dedup();
            folders
        };
        Self { library: folders("lib", "lib"), data: folders("share", "") }
    }

    fn runtime_library(&self) -> Result<PathBuf, NotFound> {
        let candidates = self.library.iter().map(|folder| folder.join(RUNTIME_LIBRARY)).collect();
        first_file(format!("ONNX Runtime ({RUNTIME_LIBRARY})"), candidates)
    }

    fn manifest(&self, name_or_path: &str) -> Result<Manifest, FindManifestError> {
        if name_or_path.contains('/') || Path::new(name_or_path).extension().is_some_and(|end| end == "yaml") {
            return Ok(Manifest::load(Path::new(name_or_path))?);
        }
        if let Some((name, text)) = BUILT_IN_MANIFESTS.iter().find(|(name, _)| *name == name_or_path) {
            return Ok(Manifest::parse(text, &format!("built-in {name}"))?);
        }
        let candidates =
            self.data.iter().map(|folder| folder.join("models").join(format!("{name_or_path}.yaml"))).collect();
        let found =
            first_file(format!("the manifest of the model \"{name_or_path}\""), candidates).map_err(|missing| {
                let known: Vec<_> = built_in_models().collect();
                NotFound {
                    remedy: format!("name a model that is there ({}) or the path of a manifest", known.join(", ")),
                    ..missing
                }
            })?;
        Ok(Manifest::load(&found)?)
    }

    fn model_file(&self, manifest: &Manifest) -> Result<PathBuf, NotFound> {
        let beside = manifest.folder.iter().map(|folder| folder.join(&manifest.file));
        let installed = self.data.iter().map(|folder| folder.join("models").join(&manifest.name).join(&manifest.file));
        let found = first_file(format!("the model \"{}\"", manifest.name), beside.chain(installed).collect());
        if built_in_models().any(|name| name == manifest.name) {
            return found;
        }
        found.map_err(|missing| NotFound { remedy: format!("put {} beside its manifest", manifest.file), ..missing })
    }

    fn python(&self) -> Result<PathBuf, NotFound> {
        let candidates = self.data.iter().map(|folder| folder.join(PYTHON)).collect();
        first_file("the Python that converts models".to_owned(), candidates)
    }

    fn footage(&self, file_name: &str) -> Result<PathBuf, NotFound> {
        let candidates = self.data.iter().map(|folder| folder.join("footage").join(file_name)).collect();
        first_file(format!("the footage {file_name}"), candidates)
    }
}

fn first_file(what: String, places: Vec<PathBuf>) -> Result<PathBuf, NotFound> {
    match places.iter().find(|place| place.is_file()) {
        Some(found) => Ok(found.clone()),
        None => Err(NotFound { what, places, remedy: MAKE_SETUP.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts an empty file, and the folders above it, below `root`.
    fn put(root: &Path, file: &str) -> PathBuf {
        let path = root.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        path
    }

    #[test]
    fn a_piece_beside_the_executable_comes_before_the_cached_one() {
        let (prefix, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let places = Places::new(Some(prefix.path()), Some(cache.path()));

        let cached = put(cache.path(), "footage/vtest.avi");
        assert_eq!(places.footage("vtest.avi"), Ok(cached));
        let beside = put(prefix.path(), "share/curbwatch/footage/vtest.avi");
        assert_eq!(places.footage("vtest.avi"), Ok(beside));
        let python = put(cache.path(), "python/bin/python");
        assert_eq!(places.python(), Ok(python));
        let library = put(cache.path(), "lib/libonnxruntime.so");
        assert_eq!(places.runtime_library(), Ok(library));
    }

    #[test]
    fn what_is_missing_is_named_with_every_place_and_the_remedy() {
        let places = Places::new(Some(Path::new("/nowhere")), Some(Path::new("/nowhere/cache")));
        let missing = places.footage("no-such.avi").unwrap_err();
        assert_eq!(
            missing.to_string(),
            "failed to find the footage no-such.avi (looked at /nowhere/share/curbwatch/footage/no-such.avi, \
             /usr/share/curbwatch/footage/no-such.avi, /nowhere/cache/footage/no-such.avi); to get it: make setup"
        );
    }

    #[test]
    fn every_manifest_of_the_models_folder_is_compiled_in_under_its_own_name() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let mut in_folder: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        in_folder.sort();
        assert_eq!(built_in_models().collect::<Vec<_>>(), in_folder);
        for name in built_in_models() {
            assert_eq!(manifest(name).unwrap().name, name);
        }
    }

    #[test]
    fn an_unknown_model_is_answered_with_the_known_ones() {
        let places = Places::new(None, None);
        let message = places.manifest("yolov9").unwrap_err().to_string();
        assert!(message.contains("the model \"yolov9\"") && message.contains("yolov4-tiny-416"), "{message}");
    }

    #[test]
    fn a_site_s_own_model_is_found_beside_its_manifest() {
        let folder = tempfile::tempdir().unwrap();
        let text = BUILT_IN_MANIFESTS[2].1.replace("name: yolov4-tiny-416", "name: ours");
        std::fs::write(folder.path().join("ours.yaml"), text).unwrap();
        let places = Places::new(None, None);
        let manifest = places.manifest(folder.path().join("ours.yaml").to_str().unwrap()).unwrap();

        let missing = places.model_file(&manifest).unwrap_err();
        assert_eq!(missing.remedy, "put model.onnx beside its manifest");
        let model = put(folder.path(), "model.onnx");
        assert_eq!(places.model_file(&manifest), Ok(model));
    }
}
