//! A model's session, shared by the threads that run it, and what each of them runs it with.
//!
//! A second session of the same model costs its weights once more (54 MiB for YOLOv4-tiny), a second thread in the same session only the
//! memory of one inference (12 MiB). `ort` runs a session by `&mut self` because providers other than the CPU had faults when run
//! side by side; ONNX Runtime itself promises that `Run` may be called from any number of threads
//! (<https://github.com/microsoft/onnxruntime/issues/114>). Here the CPU's sessions are run side by side and all others in turn.
//!
//! Input and outputs are allocated once per thread, and outputs are written where the last ones were.

use super::manifest::{ElementType, Input, MAX_OUTPUTS};
use super::provider::{Provider, ProviderInUse};
use ort::AsPointer;
use ort::session::Session;
use ort::value::{DynTensor, DynValue, Tensor, TensorElementType};
use std::ffi::CString;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, PoisonError};

/// Most inputs of a model: the picture and its size.
const MAX_INPUTS: usize = 2;

/// A session that any number of threads may run.
pub(super) struct SharedSession {
    session: Session,
    in_use: ProviderInUse,
    /// Held while it runs on a provider that is not known to stand two at once.
    turn: Option<Mutex<()>>,
}

impl SharedSession {
    pub(super) fn new(session: Session, in_use: ProviderInUse) -> Self {
        let turn = match in_use.provider {
            Provider::Cpu => None,
            Provider::TensorRt
            | Provider::Cuda
            | Provider::OpenVino
            | Provider::Cann
            | Provider::Xnnpack
            | Provider::Qnn => Some(Mutex::default()),
        };
        Self { session, in_use, turn }
    }

    pub(super) fn in_use(&self) -> &ProviderInUse {
        &self.in_use
    }
}

/// What one thread runs a session with.
pub(super) struct Binding {
    session: Arc<SharedSession>,
    inputs: Vec<(CString, DynValue)>,
    outputs: Vec<Output>,
}

/// An output by its name.
struct Output {
    name: CString,
    /// What the last run gave; none before the first run where the runtime allocates it.
    value: Option<DynValue>,
    /// Whether the runtime writes into `value`, because its size is known before the run.
    is_in_place: bool,
}

impl Binding {
    /// Allocates the inputs of a manifest and the named outputs; one with an open dimension (below 1) is allocated by each run.
    pub(super) fn new<'a>(
        session: &Arc<SharedSession>,
        input: &Input,
        outputs: impl Iterator<Item = (&'a str, &'a [i64])>,
    ) -> ort::Result<Self> {
        let element = match input.dtype {
            ElementType::F32 => TensorElementType::Float32,
            ElementType::F16 => TensorElementType::Float16,
            ElementType::U8 => TensorElementType::Uint8,
        };
        let picture = DynTensor::new(session.session.allocator(), element, input.shape())?;
        let mut inputs = vec![(c_name(&input.name)?, picture.into_dyn())];
        if let Some(name) = &input.size_input {
            let size = Tensor::from_array(([1, 2], vec![i64::from(input.width), i64::from(input.height)]))?;
            inputs.push((c_name(name)?, size.into_dyn()));
        }
        let outputs =
            outputs.map(|(name, shape)| Output::new(&session.session, name, shape)).collect::<ort::Result<Vec<_>>>()?;
        if outputs.len() > MAX_OUTPUTS {
            return Err(ort::Error::new(format!("{} outputs are more than {MAX_OUTPUTS}", outputs.len())));
        }
        Ok(Self { session: Arc::clone(session), inputs, outputs })
    }

    /// The picture's tensor.
    pub(super) fn picture_mut(&mut self) -> &mut DynValue {
        &mut self.inputs[0].1
    }

    /// An output of the last run.
    pub(super) fn output(&self, name: &str) -> Option<&DynValue> {
        self.outputs.iter().find(|output| output.name.as_bytes() == name.as_bytes())?.value.as_ref()
    }

    /// Runs the session on the present inputs. Allocates nothing but outputs of unknown size.
    pub(super) fn run(&mut self) -> ort::Result<()> {
        let (mut input_names, mut inputs) = ([ptr::null(); MAX_INPUTS], [ptr::null(); MAX_INPUTS]);
        for (index, (name, value)) in self.inputs.iter().enumerate() {
            (input_names[index], inputs[index]) = (name.as_ptr(), value.ptr());
        }
        let (mut output_names, mut outputs) = ([ptr::null(); MAX_OUTPUTS], [ptr::null_mut(); MAX_OUTPUTS]);
        for (index, output) in self.outputs.iter_mut().enumerate() {
            if !output.is_in_place {
                output.value = None;
            }
            (output_names[index], outputs[index]) =
                (output.name.as_ptr(), output.value.as_mut().map_or(ptr::null_mut(), AsPointer::ptr_mut));
        }
        let turn = self.session.turn.as_ref().map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
        // SAFETY: names and values belong to `self`, which is borrowed exclusively, and outlive the call; the counts are those of the arrays' used
        // parts. The session lives in the `Arc`. ONNX Runtime documents `Run` as callable from many threads on one session; where a
        // provider is not known to keep that, `turn` is held.
        let status = unsafe {
            (ort::api().Run)(
                self.session.session.ptr().cast_mut(),
                ptr::null(),
                input_names.as_ptr(),
                inputs.as_ptr(),
                self.inputs.len(),
                output_names.as_ptr(),
                self.outputs.len(),
                outputs.as_mut_ptr(),
            )
        };
        drop(turn);
        // SAFETY: the status is what the call above returned, and is looked at once.
        unsafe { ort::Error::result_from_status(status) }?;
        for (output, &value) in self.outputs.iter_mut().zip(&outputs) {
            if let (false, Some(value)) = (output.is_in_place, NonNull::new(value)) {
                // SAFETY: the run has just made this value, nobody else has it, and it came from the session's allocator.
                output.value = Some(unsafe { DynValue::from_ptr(value, Some(self.session.session.allocator())) });
            }
        }
        Ok(())
    }
}

impl Output {
    fn new(session: &Session, name: &str, shape: &[i64]) -> ort::Result<Self> {
        let element = session.outputs().iter().find(|outlet| outlet.name() == name);
        let element = element.and_then(|outlet| outlet.dtype().tensor_type());
        let is_in_place = element.is_some() && shape.iter().all(|&side| side > 0);
        let value = match element {
            Some(element) if is_in_place => {
                Some(DynTensor::new(session.allocator(), element, shape.to_vec())?.into_dyn())
            }
            _ => None,
        };
        Ok(Self { name: c_name(name)?, value, is_in_place })
    }
}

fn c_name(name: &str) -> ort::Result<CString> {
    CString::new(name).map_err(|_| ort::Error::new(format!("the name {name:?} holds a NUL byte")))
}
