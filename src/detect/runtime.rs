//! ONNX Runtime, loaded from the shared library that set-up installed.

use super::provider::{OptionsOfProviders, Provider, ProviderInUse, Refusal, Registration};
use ort::device::Device;
use ort::environment::Environment;
use ort::memory::DeviceType;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

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
    /// What is passed on to them.
    pub provider_options: OptionsOfProviders,
    /// Threads that work on one inference, the caller's included.
    pub threads: usize,
}

impl Default for SessionOptions {
    /// The CPU and one thread: on small CPUs inferences side by side beat one inference on all threads.
    fn default() -> Self {
        Self { providers: vec![Provider::Cpu], provider_options: OptionsOfProviders::new(), threads: 1 }
    }
}

/// The process's one ONNX Runtime environment; cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    environment: Environment,
    /// Where its library lies.
    folder: Arc<Path>,
}

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
        &self.environment
    }

    fn find_and_load() -> Result<Self, RuntimeError> {
        let path = crate::install::runtime_library()?;
        let error = |reason: String| RuntimeError::Load { path: path.clone(), reason };
        let builder = ort::init_from(&path).map_err(|e| error(e.to_string()))?;
        let environment = builder.with_name("curbwatch").with_telemetry(false).build();
        let environment = environment.map_err(|e| error(e.to_string()))?;
        Ok(Self { environment, folder: path.parent().unwrap_or(Path::new(".")).into() })
    }

    /// A session on the first provider that can be had. Its threads sleep while they have nothing to do: spinning costs 20 to 100 % more CPU
    /// for the same work.
    pub(super) fn session(&self, path: &Path, options: &SessionOptions) -> ort::Result<(Session, ProviderInUse)> {
        let mut refused = Vec::new();
        for provider in options.providers.iter().copied().take_while(|provider| *provider != Provider::Cpu) {
            match self.session_on(provider, path, options) {
                Ok(session) => return Ok(Self::with_provider(session, provider, refused)),
                Err(error) => refused.push(Refusal::new(provider, &error.to_string())),
            }
        }
        let session = self.session_on(Provider::Cpu, path, options)?;
        Ok(Self::with_provider(session, Provider::Cpu, refused))
    }

    fn with_provider(session: Session, provider: Provider, refused: Vec<Refusal>) -> (Session, ProviderInUse) {
        let in_use = ProviderInUse::of(&session, provider, refused);
        (session, in_use)
    }

    fn session_on(&self, provider: Provider, path: &Path, options: &SessionOptions) -> ort::Result<Session> {
        let builder: SessionBuilder = Session::builder(&self.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(options.threads)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?
            .with_config_entry("session.record_ep_graph_assignment_info", "1")?;
        let of_provider = options.provider_options.get(&provider).cloned().unwrap_or_default();
        let mut builder = match provider.registration(&of_provider)? {
            Registration::BuiltIn(dispatch) => builder.with_execution_providers([dispatch])?,
            Registration::Device => self.on_device(builder, provider, &of_provider)?,
        };
        builder.commit_from_file(path)
    }

    /// Adds a provider with the device that suits it most. A session is always given one, the CPU too: for those that name none `ort` lets
    /// the runtime choose, and it would choose a maker's library if one is loaded.
    fn on_device(
        &self,
        builder: SessionBuilder,
        provider: Provider,
        options: &BTreeMap<String, String>,
    ) -> ort::Result<SessionBuilder> {
        self.load_library_of(provider)?;
        let name = provider.runtime_name();
        let device = self.devices_of(name).max_by_key(|device| match device.hardware_device().ty() {
            DeviceType::NPU => 2,
            DeviceType::GPU => 1,
            DeviceType::CPU | DeviceType::FPGA => 0,
        });
        let device = device.ok_or_else(|| ort::Error::new("it finds no device on this machine"))?;
        let options: Vec<_> = options.iter().map(|(key, value)| (format!("{name}.{key}"), value.clone())).collect();
        Ok(builder.with_devices([device], Some(&options))?)
    }

    /// Loads a provider that comes as a library of its own ("plugin execution provider"), which lies beside the runtime's, unless its devices are
    /// known.
    fn load_library_of(&self, provider: Provider) -> ort::Result<()> {
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let name = provider.runtime_name();
        if self.devices_of(name).next().is_some() {
            return Ok(());
        }
        let file = self.folder.join(format!("libonnxruntime_providers_{provider}.so"));
        // Its maker's other libraries are looked for where the file itself lies, not where a link to it does.
        let found = file.canonicalize().map_err(|error| {
            let file = file.display();
            ort::Error::new(format!(
                "ONNX Runtime was not built with it, nor is its own library there: {file}: {error}"
            ))
        })?;
        self.environment.register_ep_library(name, found)
    }

    fn devices_of(&self, provider: &str) -> impl Iterator<Item = Device<'_>> {
        self.environment.devices().filter(move |device| device.ep().is_ok_and(|name| name == provider))
    }
}
