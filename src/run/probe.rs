//! `fewstep probe`: the network as a plain function, for researchers who compare implementations.
//!
//! Reads a safetensors file with `x (B,T)` ids, `t (B)` and, for a student, `dt (B)`; writes one with `logits (B,T,R)`
//! in f32.

use std::io::Write;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};

use crate::model::weights::store::{read_small, refuse, unreadable};
use crate::model::{
    Cancel, Input, ModelError, ModelPlace, Network, OpenOptions, Place, Precision, network, open_model,
};

const INPUT_LIMIT: u64 = 64 << 20;
const FIX: &str = "give a safetensors file with x (B,T), t (B) and, for a student, dt (B)";

/// What to probe and with what.
#[derive(Clone, Debug)]
pub struct ProbeArgs {
    /// The network.
    pub model: ModelPlace,
    /// What is known of it.
    pub options: OpenOptions,
    /// Arithmetic; the reference path unless told otherwise.
    pub precision: Precision,
    /// Where to compute.
    pub place: Place,
    /// Threads of rayon's global pool.
    pub threads: usize,
    /// File with the inputs.
    pub input: PathBuf,
    /// File to write.
    pub output: PathBuf,
}

/// What was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Probed {
    /// Name of the network.
    pub model: String,
    /// Arithmetic used.
    pub precision: String,
    /// Shape of the logits: batch, positions, rows.
    pub shape: [usize; 3],
}

/// Runs the network on the inputs of a file and writes its logits to another.
pub fn probe(args: &ProbeArgs) -> Result<Probed, ModelError> {
    let bytes = read_small(&args.input, INPUT_LIMIT)?;
    let inputs = Inputs::parse(&args.input, &bytes)?;
    let checkpoint = open_model(&args.model, &args.options)?;
    if checkpoint.spec.dt_conditioned && inputs.dt.is_none() {
        return Err(refuse(&args.input, "has no dt, which this network is told", FIX));
    }
    let mut net = network(&checkpoint, args.precision, args.place, args.threads, &|_| ())?;
    let logits = run(&mut *net, &inputs)?;
    let shape = [inputs.t.len(), inputs.length, checkpoint.spec.rows()];
    write(&args.output, &shape, &logits)?;
    Ok(Probed { model: checkpoint.spec.name, precision: net.precision(), shape })
}

/// Logits of all positions of all sequences, one after the other.
fn run(net: &mut dyn Network, inputs: &Inputs) -> Result<Vec<f32>, ModelError> {
    let cancel = Cancel::new();
    let rows: Vec<u32> = (0..inputs.length as u32).collect();
    let mut logits = Vec::new();
    for (b, ids) in inputs.ids.chunks_exact(inputs.length).enumerate() {
        let input = Input { ids, t: inputs.t[b], dt: inputs.dt.as_ref().map_or(0.0, |dt| dt[b]) };
        net.forward(input, &cancel)?;
        net.logits(&rows, &cancel, &mut |_, block| {
            logits.extend_from_slice(block);
        })?;
    }
    Ok(logits)
}

struct Inputs {
    ids: Vec<u32>,
    length: usize,
    t: Vec<f32>,
    dt: Option<Vec<f32>>,
}

impl Inputs {
    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, ModelError> {
        let file = SafeTensors::deserialize(bytes)
            .map_err(|e| refuse(path, &format!("is not a safetensors file ({e})"), FIX))?;
        let x = file.tensor("x").map_err(|_| refuse(path, "has no x", FIX))?;
        let &[batch, length] = x.shape() else {
            return Err(refuse(path, &format!("has x of shape {:?}", x.shape()), FIX));
        };
        if batch == 0 || length == 0 {
            return Err(refuse(path, "has an empty x", FIX));
        }
        Ok(Self {
            ids: ids(&x).ok_or_else(|| refuse(path, "has an x that does not hold ids (i64, i32 or u32)", FIX))?,
            length,
            t: scalars(path, &file, "t", batch)?.ok_or_else(|| refuse(path, "has no t", FIX))?,
            dt: scalars(path, &file, "dt", batch)?,
        })
    }
}

/// Ids of any integer type; none if there is one that is negative or too large.
fn ids(x: &TensorView<'_>) -> Option<Vec<u32>> {
    let data = x.data();
    match x.dtype() {
        Dtype::I64 => data.as_chunks().0.iter().map(|b| u32::try_from(i64::from_le_bytes(*b)).ok()).collect(),
        Dtype::I32 => data.as_chunks().0.iter().map(|b| u32::try_from(i32::from_le_bytes(*b)).ok()).collect(),
        Dtype::U32 => Some(data.as_chunks().0.iter().map(|b| u32::from_le_bytes(*b)).collect()),
        _ => None,
    }
}

/// One finite f32 a sequence, if the file has any of this name.
fn scalars(path: &Path, file: &SafeTensors<'_>, name: &str, batch: usize) -> Result<Option<Vec<f32>>, ModelError> {
    let Ok(view) = file.tensor(name) else {
        return Ok(None);
    };
    let values: Vec<f32> = view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let good = view.dtype() == Dtype::F32 && view.shape() == [batch] && values.iter().all(|v| v.is_finite());
    if good {
        return Ok(Some(values));
    }
    Err(refuse(path, &format!("has a {name} that is not one f32 a sequence"), FIX))
}

/// Writes beside the target and moves the file into place, so that a failure leaves no half-written one.
fn write(path: &Path, shape: &[usize], logits: &[f32]) -> Result<(), ModelError> {
    let data: Vec<u8> = logits.iter().flat_map(|v| v.to_le_bytes()).collect();
    let failed = |problem: String| refuse(path, &format!("cannot be written ({problem})"), "choose another --output");
    let view = TensorView::new(Dtype::F32, shape.to_vec(), &data).map_err(|e| failed(e.to_string()))?;
    let bytes = serialize([("logits", view)], None).map_err(|e| failed(e.to_string()))?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|e| unreadable(folder, &e))?;
    file.write_all(&bytes).map_err(|e| failed(e.to_string()))?;
    file.persist(path).map_err(|e| failed(e.error.to_string()))?;
    Ok(())
}
