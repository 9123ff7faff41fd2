//! ONNX Runtime, loaded from the shared library that set-up installed.

use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Why the runtime cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// It is not installed.
    #[error(transparent)]
    NotFound(#[from] crate::install::NotFound),
    /// The library is there but cannot be loaded.
    #[error("failed to load ONNX Runtime from {path}: {reason}")]
    Load {
        /// The library.
        path: PathBuf,
        /// The loader's reason.
        reason: String,
    },
}

/// The process's one ONNX Runtime environment; cheap to clone.
#[derive(Clone)]
pub struct Runtime(Environment);

impl Runtime {
    /// Finds and loads the library; the second time, gives the one already loaded: a process has one environment.
    pub fn load() -> Result<Self, RuntimeError> {
        static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);
        let mut loaded = LOADED.lock().expect("no holder of this lock panics");
        if loaded.is_none() {
            *loaded = Some(Self::find_and_load()?);
        }
        Ok(loaded.clone().expect("set just above"))
    }

    fn find_and_load() -> Result<Self, RuntimeError> {
        let path = crate::install::runtime_library()?;
        let error = |reason: String| RuntimeError::Load { path: path.clone(), reason };
        let builder = ort::init_from(&path).map_err(|e| error(e.to_string()))?;
        builder.with_name("curbwatch").with_telemetry(false).build().map(Self).map_err(|e| error(e.to_string()))
    }

    /// A session with one thread that sleeps while it has nothing to do.
    pub(super) fn session(&self, path: &Path) -> ort::Result<Session> {
        Session::builder(&self.0)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?
            .commit_from_file(path)
    }
}
