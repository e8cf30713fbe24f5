//! What SiLU and GELU by tanh share: x sigmoid(w), with w a function of x, and its derivative.

use super::sigmoid::sigmoid;
use crate::kernels::tolerance::{Case, Tolerance, division_ulps};

/// sigmoid(w) + x w' sigmoid(w) sigmoid(-w).
#[inline(always)]
pub(super) fn derivative(w: f64, x_slope: f64) -> f64 {
    sigmoid(w) * (1.0 + x_slope * sigmoid(-w))
}

/// Of x sigmoid(w) whose exponential is so far off: that reaches the result by the factor
/// sigmoid(-w); 1 + z, a division and a product.
pub(super) fn tolerance(case: &Case, w: f64, exp_ulps: f64) -> Tolerance {
    let [s, c] = gate(case, w);
    let tolerance = Tolerance::units(case, c * exp_ulps + division_ulps(case) + 2.0);
    if w < 0.0 { tolerance.through(s, case.first.abs()) } else { tolerance }
}

/// What x is multiplied with, which goes from 0 to 1 as `w` rises, and 1 less it: taken from the
/// result, as exponentials are most of the time of a sweep.
pub(super) fn gate(case: &Case, w: f64) -> [f64; 2] {
    let s = if case.first == 0.0 { 0.5 } else { case.reference / case.first };
    // Beyond 40, nothing is left of the other but the rounding of s.
    [s, if w < 40.0 { 1.0 - s } else { 0.0 }]
}

/// Of dy times [`derivative`], a sum of two terms that cancels somewhere below 0. `x_slope_units`
/// are the roundings of x w'.
pub(super) fn derivative_tolerance(
    case: &Case,
    w: f64,
    x_slope: f64,
    exp_ulps: f64,
    x_slope_units: f64,
) -> Tolerance {
    let format = case.dtype.arithmetic();
    let (s, c) = (sigmoid(w), sigmoid(-w));
    let product = x_slope.abs() * s * c;
    let largest = s.max(product);
    let division = division_ulps(case);
    let roundings = s * (c * exp_ulps + division + 1.5)
        + product * (exp_ulps + 2.0 * division + 4.0 + x_slope_units);
    // A sigmoid(-w) that is subnormal, times a large x w'.
    let flushed = if c < 2.0 * format.min_normal {
        (exp_ulps * format.smallest()).min(format.min_normal) * x_slope.abs()
    } else {
        0.0
    };
    let tolerance = Tolerance::units(case, roundings / largest.max(f64::MIN_POSITIVE) + 3.0)
        .of_terms(case.dy.abs() * largest)
        .and(case.dy.abs() * flushed);
    if w < 0.0 { tolerance.through(s, 1.0 + x_slope.abs()) } else { tolerance }
}
