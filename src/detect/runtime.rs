//! ONNX Runtime, loaded from the shared library that set-up installed.

use super::provider::{Provider, ProviderInUse, Refusal};
use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
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

/// How a session is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOptions {
    /// Providers in order of preference; the CPU is tried last if it is not among them.
    pub providers: Vec<Provider>,
    /// Threads that work on one inference, the caller's included.
    pub threads: usize,
}

impl Default for SessionOptions {
    /// The CPU and one thread: on small CPUs inferences side by side beat one inference on all threads.
    fn default() -> Self {
        Self { providers: vec![Provider::Cpu], threads: 1 }
    }
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

    /// The environment, for a session of one's own beside the agent's.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.0
    }

    fn find_and_load() -> Result<Self, RuntimeError> {
        let path = crate::install::runtime_library()?;
        let error = |reason: String| RuntimeError::Load { path: path.clone(), reason };
        let builder = ort::init_from(&path).map_err(|e| error(e.to_string()))?;
        builder.with_name("curbwatch").with_telemetry(false).build().map(Self).map_err(|e| error(e.to_string()))
    }

    /// A session on the first provider that can be had. Its threads sleep while they have nothing to do: spinning costs 20 to 100 % more CPU
    /// for the same work.
    pub(super) fn session(&self, path: &Path, options: &SessionOptions) -> ort::Result<(Session, ProviderInUse)> {
        let mut refused = Vec::new();
        for provider in options.providers.iter().copied().take_while(|provider| *provider != Provider::Cpu) {
            match self.session_on(provider, path, options.threads) {
                Ok(session) => return Ok(Self::with_provider(session, provider, refused)),
                Err(error) => refused.push(Refusal { provider, reason: error.to_string() }),
            }
        }
        let session = self.session_on(Provider::Cpu, path, options.threads)?;
        Ok(Self::with_provider(session, Provider::Cpu, refused))
    }

    fn with_provider(session: Session, provider: Provider, refused: Vec<Refusal>) -> (Session, ProviderInUse) {
        let in_use = ProviderInUse::of(&session, provider, refused);
        (session, in_use)
    }

    fn session_on(&self, provider: Provider, path: &Path, threads: usize) -> ort::Result<Session> {
        let builder: SessionBuilder = Session::builder(&self.0)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(threads)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?
            .with_config_entry("session.record_ep_graph_assignment_info", "1")?;
        let mut builder = match provider.registration() {
            Some(registration) => builder.with_execution_providers([registration])?,
            None => builder,
        };
        builder.commit_from_file(path)
    }
}
