//! Which activations a run compares.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reason::Reason;
use crate::kernels::activation::{Activation, Direction};
use crate::kernels::dtype::Dtype;
use crate::kernels::kernel::Kernel;
use crate::kernels::ops::Op;

/// Two activations, the cost of one over that of the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pair {
    /// The activation whose cost is asked.
    pub numerator: String,
    /// The one that it is held against.
    pub denominator: String,
}

impl Default for Pair {
    fn default() -> Self {
        Self { numerator: "sigmoid".to_owned(), denominator: "relu".to_owned() }
    }
}

/// As in headings: `sigmoid/relu`.
impl fmt::Display for Pair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.numerator, self.denominator)
    }
}

impl FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<&str> = text.split(':').collect();
        let [numerator, denominator] = names[..] else {
            return Err("a pair is NUMERATOR:DENOMINATOR, as in silu:relu".to_owned());
        };
        if numerator == denominator {
            return Err(format!("{numerator} over itself is 1"));
        }
        let known: Vec<&str> = Activation::all()
            .map(|activation| activation.name)
            .filter(|name| !is_copy(name))
            .collect();
        if let Some(name) = names.into_iter().find(|name| !known.contains(name)) {
            return Err(format!("no activation {name}; there are {}", known.join(", ")));
        }
        Ok(Self { numerator: numerator.to_owned(), denominator: denominator.to_owned() })
    }
}

/// Whether it moves bytes and computes nothing.
fn is_copy(activation: &str) -> bool {
    Direction::ALL.iter().any(|direction| direction.copy() == activation)
}

/// The default variant of an activation, or that it has none.
pub fn default_kernel(
    activation: &str,
    direction: Direction,
    dtype: Dtype,
) -> Result<Kernel, Reason> {
    let known = Activation::named(activation);
    let kernel = known.and_then(|it| Kernel::default_variant(it, direction, dtype));
    kernel.ok_or_else(|| Reason::NoVariant {
        activation: activation.to_owned(),
        direction: direction.name().to_owned(),
        dtype: dtype.name().to_owned(),
    })
}

/// The op of the default variant of an activation, computed in a dtype, or what it lacks.
pub fn default_op(
    activation: &str,
    direction: Direction,
    dtype: Dtype,
) -> Result<&'static Op, Reason> {
    default_kernel(activation, direction, dtype)?;
    let op = Op::of_default(activation, direction).filter(|op| op.dtypes.contains(&dtype));
    op.ok_or_else(|| Reason::NoChain {
        activation: activation.to_owned(),
        direction: direction.name().to_owned(),
        dtype: dtype.name().to_owned(),
    })
}

impl Pair {
    /// Both names, the numerator first.
    pub fn names(&self) -> [&str; 2] {
        [&self.numerator, &self.denominator]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_of_two_activations_that_have_both_passes() {
        let silu: Pair = "silu:relu".parse().expect("a pair");
        assert_eq!((silu.names(), silu.to_string()), (["silu", "relu"], "silu/relu".to_owned()));
        for wrong in ["silu", "silu:relu:elu", "relu:relu", "copy:relu", "silu:add", "nosuch:relu"]
        {
            assert!(wrong.parse::<Pair>().is_err(), "{wrong}");
        }
        let default = Pair::default();
        assert_eq!(default.names().join(":").parse(), Ok(default));
    }
}
