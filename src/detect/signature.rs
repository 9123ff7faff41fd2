//! Whether a model's inputs and outputs are those of its manifest.

use super::DetectError;
use super::manifest::{ElementType, Input, Output, Reading};
use ort::session::Session;
use ort::value::{Outlet, TensorElementType};
use std::path::Path;

/// Compares the inputs. A dimension that the model leaves open fits any.
pub(super) fn check_inputs(session: &Session, input: &Input, path: &Path) -> Result<(), DetectError> {
    let element = match input.dtype {
        ElementType::F32 => TensorElementType::Float32,
        ElementType::F16 => TensorElementType::Float16,
        ElementType::U8 => TensorElementType::Uint8,
    };
    let is_image = |outlet: &Outlet| {
        outlet.name() == input.name
            && outlet.dtype().tensor_type() == Some(element)
            && shape_of(outlet).is_some_and(|shape| fits(shape, &input.shape()))
    };
    let is_size = |outlet: &Outlet| {
        input.size_input.as_deref() == Some(outlet.name())
            && outlet.dtype().tensor_type() == Some(TensorElementType::Int64)
            && shape_of(outlet).is_some_and(|shape| fits(shape, &[1, 2]))
    };
    let inputs = session.inputs();
    let expected_count = 1 + usize::from(input.size_input.is_some());
    if inputs.len() == expected_count && inputs.iter().all(|input| is_image(input) || is_size(input)) {
        return Ok(());
    }
    let size = input.size_input.as_ref().map_or_else(String::new, |name| format!(" and \"{name}\" i64 [1, 2]"));
    let what = if expected_count == 1 { "the input" } else { "the inputs" };
    let expected = format!("\"{}\" {element} {:?}{size}", input.name, input.shape());
    Err(mismatch(path, what, expected, inputs))
}

/// Compares the outputs that are read; others are ignored.
pub(super) fn check_outputs(session: &Session, reading: &Reading, path: &Path) -> Result<(), DetectError> {
    let is = |found: &Outlet, wanted: &Output| {
        found.name() == wanted.name && shape_of(found).is_some_and(|shape| fits(shape, &wanted.shape))
    };
    match reading.outputs.iter().find(|wanted| !session.outputs().iter().any(|found| is(found, wanted))) {
        None => Ok(()),
        Some(Output { name, shape }) => {
            Err(mismatch(path, "an output", format!("\"{name}\" {shape:?}"), session.outputs()))
        }
    }
}

/// The dimensions of a tensor, -1 for one that is open.
pub(super) fn shape_of(outlet: &Outlet) -> Option<&[i64]> {
    outlet.dtype().tensor_shape().map(|shape| &shape[..])
}

fn fits(found: &[i64], wanted: &[i64]) -> bool {
    found.len() == wanted.len()
        && found.iter().zip(wanted).all(|(found, wanted)| *found == -1 || *wanted == -1 || found == wanted)
}

fn mismatch(path: &Path, what: &str, expected: String, found: &[Outlet]) -> DetectError {
    let one = |outlet: &Outlet| format!("\"{}\" {}", outlet.name(), outlet.dtype());
    let found = found.iter().map(one).collect::<Vec<_>>().join(", ");
    DetectError::Signature {
        path: path.to_path_buf(),
        what: what.to_owned(),
        expected,
        found: if found.is_empty() { "none".to_owned() } else { found },
    }
}
