//! Sigmoid: 1 / (1 + exp(-x)).
//! In f32 `two_sided` is seen within 2^-22 max(1, |x|), see tests/functions.rs.
//!
//! Written S for sigmoid(x) and C for 1 - S: the error of an exponential reaches S by the factor C.

use std::f64::consts::LN_2;

use crate::kernels::activation::{Activation, Saved, Steps, Variant};
use crate::kernels::dtype::Dtype;
use crate::kernels::reference::{exp_at_most_1, of_each, of_each_pair};
use crate::kernels::tolerance::{
    Case, Domain, TANH_DOMAIN, Tolerance, division_ulps, exp_ulps, exp2_ulps, tanh_absolute,
};

/// Sigmoid.
pub static SIGMOID: Activation = Activation {
    name: "sigmoid",
    wgsl: concat!(
        include_str!("../../../shaders/activations/sigmoid.wgsl"),
        include_str!("../../../shaders/functions/exp_poly.wgsl"),
    ),
    y: [0.0, 1.0],
    variants: &[
        forward("two_sided", |case| two_sided(case, exp_ulps(case, case.first)), BY_EXP),
        Variant {
            domain: NAIVE_DOMAIN,
            ..forward("naive", |case| two_sided(case, exp_ulps(case, case.first)), BY_EXP)
        },
        forward(
            "exp2",
            |case| two_sided(case, exp2_ulps(case, case.first)),
            "u S (C (3 + 4.1|x|) + 3.5); f16_native: C (1 + 4.2|x|)",
        ),
        Variant {
            // tanh gets half of x.
            domain: Domain::within(2.0 * TANH_DOMAIN.f32[1], 2.0 * TANH_DOMAIN.f16[1]),
            ..forward(
                "tanh",
                by_tanh,
                "absolute: half of tanh's own, the worse of 1e-5 and that of sinh / cosh, and 2 u",
            )
        },
        Variant {
            dtypes: &[Dtype::F32, Dtype::F16],
            // Its own error is below 4 ULP. But WGSL lets a compiler reassociate, and one that joins
            // the two parts of ln(2) again loses up to 1.5 |x| ULP.
            ..forward(
                "poly",
                |case| two_sided(case, 4.0 + 2.0 * case.first.abs()),
                "u S (C (4 + 2|x|) + 3.5)",
            )
        },
        Variant::backward(
            "from_y",
            Saved::Y,
            |y, dy, dx| of_each_pair(from_y, y, dy, dx),
            from_y_tolerance,
            "3 u |dx|",
            Steps { factor: 0.25, range: [0.125, 0.75] },
        ),
        Variant::backward(
            "from_x",
            Saved::X,
            |x, dy, dx| of_each_pair(from_x, x, dy, dx),
            from_x_tolerance,
            "u |dx| ((3 + 2|x|) tanh(|x|/2) + 10); f16_native: (1 + 2|x|)",
            Steps { factor: 0.5, range: [-2.0, 2.0] },
        ),
    ],
};

/// From the x at which 1 + exp(-x) leaves the numbers that WGSL divides by.
pub(super) const NAIVE_DOMAIN: Domain =
    Domain { f32: [-126.0 * LN_2, f64::INFINITY], f16: [-14.0 * LN_2, f64::INFINITY] };

const BY_EXP: &str = "u S (C (3 + 2|x|) + 3.5); f16_native: C (1 + 2|x|)";

const fn forward(
    name: &'static str,
    tolerance: fn(&Case) -> Tolerance,
    bound: &'static str,
) -> Variant {
    let steps = Steps { factor: 0.5, range: [-4.0, 4.0] };
    Variant::forward(name, |x, y| of_each(sigmoid, x, y), tolerance, bound, steps)
}

/// y = 1 / (1 + exp(-x)), two-sided: relative error within 4 * 2^-53 for results that are normal in
/// f64 (exp's 2 at most, a sum, a division; the largest seen is 2.92).
#[inline(always)]
pub fn sigmoid(x: f64) -> f64 {
    let z = exp_at_most_1(-x.abs());
    (if x >= 0.0 { 1.0 } else { z }) / (1.0 + z)
}

/// sigmoid'(x) = sigmoid(x) sigmoid(-x), without the cancellation of y (1 - y).
#[inline(always)]
pub fn sigmoid_derivative(x: f64) -> f64 {
    let z = exp_at_most_1(-x.abs());
    z / ((1.0 + z) * (1.0 + z))
}

/// dx = dy y (1 - y), for the y that was stored. 1 - y is exact in f64 for every f32 and f16 in
/// [2^-29, 1].
#[inline(always)]
pub fn from_y(saved: f64, dy: f64) -> f64 {
    dy * (saved * (1.0 - saved))
}

/// dx = dy sigmoid'(x).
#[inline(always)]
pub fn from_x(saved: f64, dy: f64) -> f64 {
    dy * sigmoid_derivative(saved)
}

/// An exponential that is so far off, 1 + z and a division.
fn two_sided(case: &Case, exp_ulps: f64) -> Tolerance {
    // 1 - S cancels for large x, where the term it stands in vanishes beside the others.
    Tolerance::units(case, (1.0 - case.reference) * exp_ulps + division_ulps(case) + 1.0)
}

/// Half of tanh's error, and the roundings of a product and a sum.
fn by_tanh(case: &Case) -> Tolerance {
    let unit = case.dtype.arithmetic().unit;
    let absolute = tanh_absolute(case, case.first / 2.0) / 2.0 + 2.0 * unit;
    Tolerance::units(case, 0.0).and(absolute)
}

/// dy (y (1 - y)).
fn from_y_tolerance(case: &Case) -> Tolerance {
    Tolerance::units(case, 3.0).through(case.first * (1.0 - case.first), 1.0)
}

/// dy (z / (1 + z)^2): exp's error reaches the result by the factor tanh(|x|/2); the rest are the
/// roundings of 1 + z, twice, of the square and the last product, and a division, in any of the
/// orders that reassociation allows.
fn from_x_tolerance(case: &Case) -> Tolerance {
    let x = case.first.abs();
    let units = exp_ulps(case, x) * (x / 2.0).tanh() + 2.0 * division_ulps(case) + 5.0;
    // z / (1 + z)^2 is at least z / 4.
    Tolerance::units(case, units).through((-x).exp() / 4.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::built_ins::BuiltIns;
    use crate::kernels::dtype::Format;
    use crate::kernels::tolerance::Allowed;

    fn case(dtype: Dtype, x: f64) -> Case {
        let first_bits = dtype.bits(x);
        let first = dtype.value(first_bits);
        let reference = sigmoid(first);
        Case { dtype, first, first_bits, dy: 0.0, reference, built_ins: BuiltIns::default() }
    }

    fn width(case: &Case) -> f64 {
        match SIGMOID.variants[0].allowed(case) {
            Allowed::Within { lowest, highest } => (highest - lowest) / 2.0,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_is_held_to_a_few_ulp_where_exp_is() {
        let ulps = |case: &Case| width(case) / Format::F32.ulp(case.reference);
        // At 0: C = 1/2, so 1/2 (3 + 0) + 3.5 units of S = 1/2, which is its own ulp.
        assert!((ulps(&case(Dtype::F32, 0.0)) - 5.0).abs() < 1e-3);
        // Far above 0, exp no longer matters: 3.5 units of 1, which just below 1 are 7 ulps.
        assert!((ulps(&case(Dtype::F32, 15.0)) - 7.0).abs() < 1e-3);
        // Far below, exp's own 3 + 2|x|, and 3.5.
        let far = case(Dtype::F32, -40.0);
        let units = width(&far) / (far.reference * Format::F32.unit);
        assert!((units - 86.5).abs() < 0.01, "{units}");
    }

    #[test]
    fn a_subnormal_y_may_be_zero_but_not_twice_itself_and_more() {
        let case = case(Dtype::F32, -88.0);
        let allowed = SIGMOID.variants[0].allowed(&case);
        assert!(allowed.contains(0.0, 0));
        assert!(allowed.contains(case.reference, 0));
        assert!(!allowed.contains(2.0 * case.reference, 0));
        assert!(!allowed.contains(f64::NAN, 0));
    }
}
