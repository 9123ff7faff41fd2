//! Execution providers: on what a model runs.
//!
//! A site names them in order of preference. What cannot be had is never passed over in silence: [`ProviderInUse`] names the one
//! that really runs the model, and why each one before it does not.

use ort::ep::{self, ExecutionProviderDispatch};
use ort::session::Session;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::fmt;
use std::ptr;

/// On what ONNX Runtime runs a model. All but `cpu` need a runtime library that was built with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
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
    fn runtime_name(self) -> &'static str {
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

    /// What registers it; none for the CPU, which is always registered. A failure is an error.
    pub(super) fn registration(self) -> Option<ExecutionProviderDispatch> {
        let dispatch = match self {
            Self::TensorRt => ep::TensorRT::default().build(),
            Self::Cuda => ep::CUDA::default().build(),
            Self::OpenVino => ep::OpenVINO::default().build(),
            Self::Cann => ep::CANN::default().build(),
            Self::Xnnpack => ep::XNNPACK::default().build(),
            Self::Qnn => ep::QNN::default().build(),
            Self::Cpu => return None,
        };
        Some(dispatch.error_on_failure())
    }
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
            refused.push(Refusal { provider: registered, reason: "it runs none of the model's nodes".to_owned() });
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
