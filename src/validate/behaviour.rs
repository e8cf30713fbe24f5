//! The behaviour card of an adapter: what it does where WGSL leaves it free.
//!
//! NaN, infinities, signed zeros, subnormals, division, rounding, errors of exp and division, and
//! what compilers rewrite. Small shaders compute each answer from operands in buffers. No answer is
//! wrong here; what a kernel must do is in `kernels::tolerance`.

mod errors;
mod evaluate;
mod f16;
mod judge;
mod probe;
mod probes;

use serde::{Deserialize, Serialize};

pub use judge::{Answer, Value, Word};

use self::errors::Errors;
use self::evaluate::{Case, Expression};
use crate::error::{Error, Result};
use crate::gpu::Gpu;

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
    /// What the adapter answered.
    #[serde(flatten)]
    pub answer: Answer,
}

/// Asks the adapter everything. An error only if the device fails: a missing feature and a shader
/// that does not compile are answers.
pub fn card(gpu: &Gpu) -> Result<Behaviour> {
    let mut findings = Vec::new();
    let mut add = |group: &str, name: &str, question: &str, answer| {
        let (group, name, question) = (group.to_owned(), name.to_owned(), question.to_owned());
        findings.push(Finding { group, name, question, answer });
    };
    for (group, probes) in probes::all() {
        for probe in probes {
            let cases = cases(gpu, &probe.expression, &probe.inputs)?;
            let answer = cases.map_or_else(|missing| missing, |cases| probe.answer(&cases));
            add(group, probe.name, probe.question, answer);
        }
    }
    for sweep in errors::sweeps() {
        let errors = cases(gpu, &sweep.expression, &sweep.inputs)?
            .map(|cases| Errors::of(&cases, sweep.bound));
        for figure in sweep.figures {
            let answer = match &errors {
                Ok(errors) => figure.answer(errors),
                Err(missing) => missing.clone(),
            };
            add("errors of functions", figure.name, figure.question, answer);
        }
    }
    Ok(Behaviour { adapter: gpu.facts.summary(), findings })
}

/// What was computed, or the answer that nothing was and why.
fn cases(
    gpu: &Gpu,
    expression: &Expression,
    inputs: &[[u32; 2]],
) -> Result<std::result::Result<Vec<Case>, Answer>> {
    let (word, meaning, evidence) = match expression.evaluate(gpu, inputs) {
        Ok(cases) => return Ok(Ok(cases)),
        Err(Error::Unsupported(why)) => (Word::Unsupported, "not measured", why),
        Err(error @ Error::Compile { .. }) => {
            (Word::DoesNotCompile, "a kernel that uses it does not compile", error.to_string())
        }
        Err(error) => return Err(error),
    };
    Ok(Err(Answer::new(Value::Word(word), meaning, Some(evidence))))
}

impl Behaviour {
    /// The finding of that name.
    pub fn get(&self, name: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.name == name)
    }
}

#[cfg(test)]
mod tests;
