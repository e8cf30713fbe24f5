//! The behaviour card of an adapter: what it does where WGSL leaves it free.
//!
//! NaN, infinities, signed zeros, subnormals, division, rounding, errors of exp and division, and
//! what compilers rewrite. Small shaders compute each answer from operands in buffers. No answer is
//! wrong here; what a kernel must do is in `kernels::tolerance`.

mod activations;
mod built_ins;
mod errors;
mod evaluate;
mod judge;
mod probe;
mod probes;

use serde::{Deserialize, Serialize};

pub(super) use built_ins::of_kernel;
pub use built_ins::{built_ins, note};
pub use judge::{Value, Word};

use self::built_ins::{answer, worst};
use self::probe::Probe;
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::kernels::built_ins::BuiltIn;

/// What is known of an adapter's arithmetic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Behaviour {
    /// Name, backend and driver of the adapter.
    pub adapter: String,
    /// In the order of the card.
    pub findings: Vec<Finding>,
}

/// One question with its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What it is about; findings of a group stand together.
    pub group: String,
    /// Its name, which stays.
    pub name: String,
    /// What was computed, in a line.
    pub question: String,
    /// What the adapter answered: a word or a number.
    pub result: Value,
    /// What it means for an activation.
    pub meaning: String,
    /// Operands and results in bits where the word is not enough, or what the compiler said.
    pub evidence: Option<String>,
}

/// Asks the adapter everything. An error only if the device fails: a missing feature and a shader
/// that does not compile are answers.
pub fn card(gpu: &Gpu) -> Result<Behaviour> {
    let mut findings = Vec::new();
    let group_of_errors = "errors of functions";
    let errors = (group_of_errors, errors::errors());
    for (group, probes) in probes::all().into_iter().chain(activations::all()).chain([errors]) {
        for probe in probes {
            let (result, meaning, evidence) = match probe.expression.evaluate(gpu, &probe.inputs) {
                Ok(cases) => probe.answer(&cases),
                Err(Error::Unsupported(why)) => {
                    (Value::Word(Word::Unsupported), "not measured", Some(why))
                }
                Err(error @ Error::Compile { .. }) => {
                    let meaning = "a kernel that uses it does not compile";
                    (Value::Word(Word::DoesNotCompile), meaning, Some(error.to_string()))
                }
                Err(error) => return Err(error),
            };
            let [group, meaning] = [group, meaning].map(str::to_owned);
            let Probe { name, question, .. } = probe;
            findings.push(Finding { group, name, question, result, meaning, evidence });
        }
    }
    for built_in in BuiltIn::ALL {
        let (result, meaning, evidence) = answer(built_in, &worst(gpu, built_in)?);
        let (group, name) = (group_of_errors.to_owned(), built_in.name());
        let question = format!("largest error of {name} over WGSL's bound");
        let name = format!("{name}_share_of_bound");
        findings.push(Finding { group, name, question, result, meaning, evidence });
    }
    Ok(Behaviour { adapter: gpu.facts.summary(), findings })
}

#[cfg(test)]
mod tests;
