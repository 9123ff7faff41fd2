//! Execution providers: on what a model runs.
//!
//! A site names them in order of preference. What cannot be had is never passed over in silence: [`ProviderInUse`] names the one
//! that really runs the model, and why each one before it does not.

use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider, ExecutionProvider, ExecutionProviderDispatch};
use ort::session::Session;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::fmt;
use std::ptr;

/// What is passed on to providers: the values of options by the names that their makers give them.
pub type OptionsOfProviders = BTreeMap<Provider, BTreeMap<String, String>>;

/// On what ONNX Runtime runs a model. All but `cpu` need a runtime library that was built with them, or a library of their own beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub enum Provider {
    /// NVIDIA GPUs by TensorRT.
    TensorRt,
    /// NVIDIA GPUs by CUDA.
    Cuda,
    /// Intel CPUs, GPUs and NPUs by OpenVINO.
    OpenVino,
    /// Huawei Ascend by CANN.
    Cann,
    /// ARM and x86 CPUs by XNNPACK.
    Xnnpack,
    /// Qualcomm NPUs by QNN.
    Qnn,
    /// ONNX Runtime's own kernels; always there.
    Cpu,
}

impl Provider {
    /// Its name in the configuration and in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TensorRt => "tensorrt",
            Self::Cuda => "cuda",
            Self::OpenVino => "openvino",
            Self::Cann => "cann",
            Self::Xnnpack => "xnnpack",
            Self::Qnn => "qnn",
            Self::Cpu => "cpu",
        }
    }

    /// How ONNX Runtime calls it.
    pub(super) fn runtime_name(self) -> &'static str {
        match self {
            Self::TensorRt => "TensorrtExecutionProvider",
            Self::Cuda => "CUDAExecutionProvider",
            Self::OpenVino => "OpenVINOExecutionProvider",
            Self::Cann => "CANNExecutionProvider",
            Self::Xnnpack => "XnnpackExecutionProvider",
            Self::Qnn => "QNNExecutionProvider",
            Self::Cpu => "CPUExecutionProvider",
        }
    }

    /// How it is added to a session.
    pub(super) fn registration(self, options: &BTreeMap<String, String>) -> ort::Result<Registration> {
        match self {
            Self::TensorRt => built_in::<ep::TensorRT>(options),
            Self::Cuda => built_in::<ep::CUDA>(options),
            Self::OpenVino => built_in::<ep::OpenVINO>(options),
            Self::Cann => built_in::<ep::CANN>(options),
            Self::Xnnpack => built_in::<ep::XNNPACK>(options),
            Self::Qnn => built_in::<ep::QNN>(options),
            Self::Cpu => Ok(Registration::Device),
        }
    }
}

/// How a provider is added to a session.
pub(super) enum Registration {
    /// As what the runtime was built with. A failure to add it is an error.
    BuiltIn(ExecutionProviderDispatch),
    /// With a device that the runtime finds: the CPU, or what its maker's own library brings.
    Device,
}

fn built_in<E>(options: &BTreeMap<String, String>) -> ort::Result<Registration>
where
    E: ExecutionProvider + ArbitrarilyConfigurableExecutionProvider + Default + Into<ExecutionProviderDispatch>,
{
    if !E::is_available()? {
        return Ok(Registration::Device);
    }
    let configured =
        options.iter().fold(E::default(), |provider, (key, value)| provider.with_arbitrary_config(key, value));
    Ok(Registration::BuiltIn(configured.into().error_on_failure()))
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A provider that was preferred and could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The provider.
    pub provider: Provider,
    /// Why, in the runtime's words.
    pub reason: String,
}

impl Refusal {
    /// Of an error of the runtime's, less the places in its sources that it names first.
    pub(super) fn new(provider: Provider, error: &str) -> Self {
        // `<file>:<line> <function> [ONNXRuntimeError] : <number> : <code> : <reason>`, perhaps one in another.
        let told = error.rsplit_once("[ONNXRuntimeError]").and_then(|(_, told)| told.splitn(4, " : ").nth(3));
        Self { provider, reason: told.unwrap_or(error).trim().to_owned() }
    }
}

/// On what a model really runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderInUse {
    /// The provider.
    pub provider: Provider,
    /// Those that were preferred to it, in order.
    pub refused: Vec<Refusal>,
    /// Nodes of the optimised graph by the runtime's name of the provider that runs them; empty if the runtime does not tell.
    pub nodes: BTreeMap<String, usize>,
}

impl ProviderInUse {
    /// For a session made with `registered`; one whose nodes all run elsewhere counts as refused.
    pub(super) fn of(session: &Session, registered: Provider, mut refused: Vec<Refusal>) -> Self {
        let nodes = nodes_by_provider(session);
        let runs_any = nodes.is_empty() || nodes.contains_key(registered.runtime_name());
        let provider = if runs_any { registered } else { Provider::Cpu };
        if !runs_any && registered != Provider::Cpu {
            refused.push(Refusal::new(registered, "it runs none of the model's nodes"));
        }
        Self { provider, refused, nodes }
    }

    /// What is wrong with it, in words: that a preferred provider was refused. None if the first choice is in use.
    #[must_use]
    pub fn alarm(&self) -> Option<String> {
        let reasons = self.refused.iter().map(|refusal| format!("{}: {}", refusal.provider, refusal.reason));
        let reasons = reasons.collect::<Vec<_>>().join("; ");
        (!reasons.is_empty()).then(|| format!("the model runs on {} instead ({reasons})", self.provider))
    }
}

/// How many nodes each provider runs, as far as the runtime tells.
fn nodes_by_provider(session: &Session) -> BTreeMap<String, usize> {
    use ort::AsPointer;
    let api = ort::api();
    let mut nodes = BTreeMap::new();
    let (mut subgraphs, mut count) = (ptr::null(), 0);
    // SAFETY: the session lives; on success the two describe an array that belongs to the session.
    let status = unsafe { (api.Session_GetEpGraphAssignmentInfo)(session.ptr(), &raw mut subgraphs, &raw mut count) };
    // SAFETY: the status is what the call above returned, and is looked at once.
    if unsafe { ort::Error::result_from_status(status) }.is_err() || subgraphs.is_null() {
        return nodes;
    }
    // SAFETY: as said above; nothing changes the session's assignment after it was made.
    for &subgraph in unsafe { std::slice::from_raw_parts(subgraphs, count) } {
        let (mut name, mut list, mut in_subgraph) = (ptr::null(), ptr::null(), 0);
        // SAFETY: a subgraph of the session; the name and the list belong to the session.
        let told = unsafe {
            let named = ort::Error::result_from_status((api.EpAssignedSubgraph_GetEpName)(subgraph, &raw mut name));
            let listed = (api.EpAssignedSubgraph_GetNodes)(subgraph, &raw mut list, &raw mut in_subgraph);
            named.and(ort::Error::result_from_status(listed))
        };
        if told.is_ok() && !name.is_null() {
            // SAFETY: a C string that belongs to the session.
            let name = unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned();
            *nodes.entry(name).or_default() += in_subgraph;
        }
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_why_and_not_where_the_runtime_found_out() {
        let reason = |error| Refusal::new(Provider::Cuda, error).reason;
        let missing = "Failed to load library /usr/lib/curbwatch/libonnxruntime_providers_cuda.so with error: libcublas.so.13: cannot open";
        let told =
            format!("/src/provider_bridge_ort.cc:2043 Provider& Get() [ONNXRuntimeError] : 1 : FAIL : {missing}\n");
        assert_eq!(reason(&told), missing);
        assert_eq!(reason("it finds no device on this machine"), "it finds no device on this machine");
    }
}
