//! The probes whose answer is a number, beside the shares of [`super::built_ins`].

use super::built_ins::sample;
use super::evaluate::Case;
use super::judge::Judge;
use super::probe::{EXP, EXP2, Probe, QUOTIENT, probe};
use crate::kernels::built_ins::BuiltIn;
use crate::kernels::dtype::Dtype;

pub fn errors() -> Vec<Probe> {
    let ulps = Judge::Largest(Case::ulps);
    let over = |built_in| sample(built_in, Dtype::F32);
    vec![
        probe("exp_max_ulp", "largest error of exp, in ULP", EXP, ulps)
            .over(over(BuiltIn::Exp))
            .up_to(4.0, "exp has no rounded argument: it keeps its digits for x << 0")
            .beyond("like 2^(x log2 e) with a rounded product: exp loses digits for x << 0"),
        probe("exp_falls", "how often exp falls at the next larger x", EXP, Judge::Falls)
            .over(over(BuiltIn::Exp))
            .up_to(0.0, "monotonic in the sample")
            .beyond("exp is not monotonic: results that differ by 1 or 2 ULP have no order"),
        probe("exp2_max_ulp", "largest error of exp2, in ULP", EXP2, ulps)
            .over(over(BuiltIn::Exp2))
            .up_to(4.0, "2^(x log2 e) loses only the rounding of its argument")
            .beyond("exp2 itself loses digits with |x|"),
        probe("division_max_ulp", "largest error of division, in ULP", QUOTIENT, ulps)
            .over(over(BuiltIn::Division))
            .up_to(0.5, "division rounds correctly")
            .up_to(2.5, "like a reciprocal and a product, within WGSL's bound")
            .beyond("exceeds WGSL's bound of 2.5 ULP"),
    ]
}
