//! What a kernel may return for one input. Bounds follow from WGSL's accuracy table, not from what
//! a GPU was seen to do.
//!
//! Written u for the arithmetic's unit (2^-23 for f32, 2^-10 for f16), S for sigmoid(x), C = 1 - S:
//!
//! - WGSL section "Floating Point Accuracy": + - * within 1 ulp (correctly rounded, but in either
//!   direction), division within 2.5 ULP while its denominator is in [2^-126, 2^126] (f16: [2^-14,
//!   2^14]), exp within 3 + 2|x| ULP (f16: 1 + 2|x|).
//! - Any operation may flush a subnormal operand or result to zero, and the sign of a zero may be
//!   ignored.
//! - Overflow, infinity and NaN make the result indeterminate: anything is allowed.
//! - select, load and store keep bits, subnormals included.
//!
//! Both sigmoid variants pass exp's relative error on by the factor C, add one rounding of 1 + z
//! and one division: |y - S| <= u S (C (3 + 2|x|) + 3.5), and higher-order terms. METHODOLOGY.md
//! derives each.

use std::f64::consts::{LN_2, LOG2_E};

use serde::{Deserialize, Serialize};

use crate::kernels::dtype::{Dtype, Format};
use crate::kernels::reference;

/// One input of a kernel, with its f64 result.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// How the elements lie in memory and are computed with.
    pub dtype: Dtype,
    /// x of a forward pass, or the saved tensor's element of a backward pass.
    pub first: f64,
    /// The bits of `first`.
    pub first_bits: u32,
    /// dy of a backward pass; 0 in a forward pass.
    pub dy: f64,
    /// The f64 reference.
    pub reference: f64,
}

/// The set of results that are right.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allowed {
    /// Indeterminate by the specification: every value, NaN included.
    Anything,
    /// These very bits.
    Bits(u32),
    /// One of two values; zeros of either sign are equal.
    OneOf(f64, f64),
    /// A value of this interval, its ends included.
    Within {
        /// Lower end.
        lowest: f64,
        /// Upper end.
        highest: f64,
    },
}

impl Allowed {
    /// Whether `value`, stored as `bits`, is a right result.
    pub fn contains(&self, value: f64, bits: u32) -> bool {
        match *self {
            Self::Anything => true,
            Self::Bits(expected) => bits == expected,
            Self::OneOf(a, b) => value == a || value == b,
            // NaN compares false to both ends.
            Self::Within { lowest, highest } => lowest <= value && value <= highest,
        }
    }
}

/// Between which x, or saved elements, all finite inputs of a range lie.
#[derive(Clone, Copy, Debug)]
pub struct InputRange {
    /// How the elements lie in memory and are computed with.
    pub dtype: Dtype,
    /// The smallest |x|.
    pub smallest_magnitude: f64,
    /// The largest x; 0 if all are negative.
    pub largest: f64,
}

impl InputRange {
    /// The smallest C.
    fn smallest_complement(&self) -> f64 {
        reference::sigmoid(-self.largest)
    }
}

/// A distance from the reference that is always allowed: `relative` u |reference| with the u of the
/// arithmetic, and `absolute`.
#[derive(Clone, Copy, Debug)]
pub struct ToleranceFloor {
    /// In u |reference|.
    pub relative: f64,
    /// In the unit of the result.
    pub absolute: f64,
}

impl ToleranceFloor {
    /// None at all.
    pub const NOTHING: Self = Self::relative(0.0);

    const fn relative(relative: f64) -> Self {
        Self { relative, absolute: 0.0 }
    }
}

/// The tolerance floor of exact results.
pub fn no_floor(_: &InputRange) -> ToleranceFloor {
    ToleranceFloor::NOTHING
}

/// copy: the bits of x, whatever they mean.
pub fn copy(case: &Case) -> Allowed {
    Allowed::Bits(case.first_bits)
}

/// saved + dy: one rounding in either direction, subnormals flushed or not.
pub fn add(case: &Case) -> Allowed {
    let format = case.dtype.arithmetic();
    if !case.first.is_finite()
        || !case.dy.is_finite()
        || case.reference.abs() > case.dtype.memory().max
    {
        return Allowed::Anything;
    }
    let flushed = |value: f64| if format.is_subnormal(value) { value.abs() } else { 0.0 };
    let flush = flushed(case.first) + flushed(case.dy) + flushed(case.reference);
    within(case, format.ulp(case.reference) + flush + conversion_of_inputs(case), false)
}

/// The tolerance floor of [`add`].
pub fn add_floor(_: &InputRange) -> ToleranceFloor {
    ToleranceFloor::relative(0.5)
}

/// relu: exactly x or 0. A subnormal x may be flushed, or pass unchanged although negative (D3D's
/// rule for max).
pub fn relu(case: &Case) -> Allowed {
    if !case.first.is_finite() {
        return Allowed::Anything;
    }
    if may_flush(case.dtype, case.first) {
        return Allowed::OneOf(case.first, 0.0);
    }
    Allowed::OneOf(case.reference, case.reference)
}

/// relu backward: exactly dy where the saved tensor is positive, else 0. In f32, dy is only loaded,
/// selected and stored, so even a subnormal one must survive.
pub fn relu_backward(case: &Case) -> Allowed {
    if !case.first.is_finite() || !case.dy.is_finite() {
        return Allowed::Anything;
    }
    let dy_may_flush = case.dtype == Dtype::F16 && Format::F16.is_subnormal(case.dy);
    if case.first > 0.0 && (dy_may_flush || may_flush(case.dtype, case.first)) {
        return Allowed::OneOf(case.dy, 0.0);
    }
    Allowed::OneOf(case.reference, case.reference)
}

/// sigmoid two-sided by exp(): exp's relative error of 3 + 2|x| ULP (f16: 1 + 2|x|) reaches the
/// result by the factor C.
pub fn sigmoid_exp(case: &Case) -> Allowed {
    sigmoid_with(case, exp_ulps(case.dtype, case.first))
}

/// The tolerance floor of [`sigmoid_exp`] and [`sigmoid_naive`].
pub fn sigmoid_exp_floor(range: &InputRange) -> ToleranceFloor {
    sigmoid_floor_with(range, exp_ulps(range.dtype, range.smallest_magnitude))
}

/// sigmoid as 1 / (1 + exp(-x)): as two-sided, while WGSL defines division by that denominator.
pub fn sigmoid_naive(case: &Case) -> Allowed {
    // The denominator reaches 1 / min_normal where x = ln(min_normal).
    if case.first < case.dtype.arithmetic().ln_min_normal {
        return Allowed::Anything;
    }
    sigmoid_exp(case)
}

/// sigmoid two-sided by exp2(-|x| log2(e)): exp2's 2 ULP per unit of its argument are 2 log2(e) per
/// unit of x. The product's rounding is |x| ULP of the result. log2(e) is itself rounded, which
/// adds its error in u, times |x|.
pub fn sigmoid_exp2(case: &Case) -> Allowed {
    sigmoid_with(case, exp2_ulps(case.dtype, case.first))
}

/// The tolerance floor of [`sigmoid_exp2`].
pub fn sigmoid_exp2_floor(range: &InputRange) -> ToleranceFloor {
    sigmoid_floor_with(range, exp2_ulps(range.dtype, range.smallest_magnitude))
}

/// ULP by which exp2(-|x| log2(e)) may be off from exp(-|x|).
fn exp2_ulps(dtype: Dtype, x: f64) -> f64 {
    let (constant, off) = if dtype.arithmetic() == Format::F32 { (3.0, 0.17) } else { (1.0, 0.23) };
    constant + (2.0 * LOG2_E + 1.0 + off) * x.abs()
}

/// sigmoid two-sided by the polynomial exponential. Its own error is below 4 ULP; but WGSL lets a
/// compiler reassociate, and one that joins the two parts of ln(2) again loses up to 1.5 |x| ULP,
/// so the bound is no better than that of exp.
pub fn sigmoid_poly(case: &Case) -> Allowed {
    sigmoid_with(case, poly_ulps(case.first))
}

/// The tolerance floor of [`sigmoid_poly`].
pub fn sigmoid_poly_floor(range: &InputRange) -> ToleranceFloor {
    sigmoid_floor_with(range, poly_ulps(range.smallest_magnitude))
}

fn poly_ulps(x: f64) -> f64 {
    4.0 + 2.0 * x.abs()
}

/// sigmoid as tanh(x/2)/2 + 1/2: an absolute error, half of tanh's, and the roundings of a product
/// and a sum. tanh may err by the worse of 1e-5 and what sinh / cosh inherit from exp, 2 (3 + 2|t|)
/// ULP and 4.5; where cosh(t) leaves the range of denominators, it is indeterminate.
pub fn sigmoid_tanh(case: &Case) -> Allowed {
    let format = case.dtype.arithmetic();
    let t = case.first.abs() / 2.0;
    if !case.first.is_finite() || t > LN_2 - format.ln_min_normal {
        return Allowed::Anything;
    }
    let inherited = tanh_inherits(case.dtype, t);
    let of_tanh = 1e-5f64.max(inherited * higher_orders(inherited));
    within(case, of_tanh / 2.0 + 2.0 * format.unit, false)
}

/// The tolerance floor of [`sigmoid_tanh`].
pub fn sigmoid_tanh_floor(range: &InputRange) -> ToleranceFloor {
    ToleranceFloor {
        relative: 0.0,
        absolute: 1e-5f64.max(tanh_inherits(range.dtype, range.smallest_magnitude / 2.0)) / 2.0,
    }
}

/// What tanh(t), t >= 0, inherits from exp by sinh / cosh.
fn tanh_inherits(dtype: Dtype, t: f64) -> f64 {
    dtype.arithmetic().unit * (2.0 * exp_ulps(dtype, t) + 4.5)
}

/// A two-sided sigmoid whose exponential is off by at most `exp_ulps`.
fn sigmoid_with(case: &Case, exp_ulps: f64) -> Allowed {
    if !case.first.is_finite() {
        return Allowed::Anything;
    }
    let format = case.dtype.arithmetic();
    // 1 - S cancels for large x, where the term it stands in vanishes beside 3.5.
    let relative = format.unit * ((1.0 - case.reference) * exp_ulps + 3.5);
    // Below the smallest normal number an ULP no longer shrinks. exp's bound grows on with |x|; its
    // results do not.
    let tolerance = case.reference.max(format.min_normal)
        * relative
        * higher_orders(format.unit * (exp_ulps + 3.5));
    let tolerance = if case.reference < format.min_normal {
        tolerance.min(format.min_normal)
    } else {
        tolerance
    };
    within(case, tolerance, case.reference < 2.0 * format.min_normal)
}

/// The tolerance floor of [`sigmoid_with`], from the ULP at the smallest |x|.
fn sigmoid_floor_with(range: &InputRange, exp_ulps: f64) -> ToleranceFloor {
    ToleranceFloor::relative(range.smallest_complement() * exp_ulps + 3.5)
}

/// ULP by which exp(-|x|) may be off.
fn exp_ulps(dtype: Dtype, x: f64) -> f64 {
    let constant = if dtype.arithmetic() == Format::F32 { 3.0 } else { 1.0 };
    constant + 2.0 * x.abs()
}

/// sigmoid backward from x, dy (z / (1 + z)^2): exp's error reaches the result by the factor
/// tanh(|x|/2); the rest are the roundings of 1 + z, twice, of the square and the last product, and
/// a division, in any of the orders that reassociation allows.
pub fn sigmoid_from_x(case: &Case) -> Allowed {
    if !case.first.is_finite() || !case.dy.is_finite() {
        return Allowed::Anything;
    }
    let format = case.dtype.arithmetic();
    let exp_ulps = exp_ulps(case.dtype, case.first);
    let relative = format.unit * (exp_ulps * (case.first.abs() / 2.0).tanh() + 10.0);
    let tolerance =
        case.reference.abs() * relative * higher_orders(format.unit * (exp_ulps + 10.0));
    let subnormal =
        ((exp_ulps + 10.0) * format.smallest()).min(format.min_normal) * (1.0 + case.dy.abs());
    // z / (1 + z)^2 is at least z / 4.
    let derivative_may_be_subnormal = case.first.abs() > -3.0 * LN_2 - format.ln_min_normal;
    within(
        case,
        tolerance + subnormal,
        derivative_may_be_subnormal || case.reference.abs() < 2.0 * format.min_normal,
    )
}

/// The tolerance floor of [`sigmoid_from_x`].
pub fn sigmoid_from_x_floor(range: &InputRange) -> ToleranceFloor {
    let x = range.smallest_magnitude;
    ToleranceFloor::relative(exp_ulps(range.dtype, x) * (x / 2.0).tanh() + 10.0)
}

/// sigmoid backward from y: three roundings of dy (y (1 - y)), by whole subnormal numbers where y
/// (1 - y) or the result is one, which may also be flushed.
pub fn sigmoid_from_y(case: &Case) -> Allowed {
    if !case.first.is_finite() || !case.dy.is_finite() {
        return Allowed::Anything;
    }
    let format = case.dtype.arithmetic();
    let relative = 3.0 * format.unit;
    let subnormal = format.smallest() * (1.0 + case.dy.abs());
    let smallest_step = case.reference.abs().min(case.first * (1.0 - case.first));
    let tolerance = (case.reference.abs() * relative + subnormal) * higher_orders(relative);
    within(case, tolerance, smallest_step < 2.0 * format.min_normal)
}

/// The tolerance floor of [`sigmoid_from_y`].
pub fn sigmoid_from_y_floor(_: &InputRange) -> ToleranceFloor {
    ToleranceFloor::relative(3.0)
}

/// Second and higher orders of a first-order relative error.
fn higher_orders(relative: f64) -> f64 {
    1.0 + 4.0 * relative
}

/// Whether loading, computing with, or storing `value` may turn it into 0.
fn may_flush(dtype: Dtype, value: f64) -> bool {
    dtype.memory().is_subnormal(value) || dtype.arithmetic().is_subnormal(value)
}

/// unpack2x16float may flush subnormal f16 operands.
fn conversion_of_inputs(case: &Case) -> f64 {
    if case.dtype != Dtype::F16 {
        return 0.0;
    }
    let flushed = |value: f64| if Format::F16.is_subnormal(value) { value.abs() } else { 0.0 };
    flushed(case.first) + flushed(case.dy)
}

/// The interval of half-width `tolerance` around the reference, wider where the result is converted
/// to f16: to either neighbour. It is extended to 0 where some step may flush a subnormal number.
fn within(case: &Case, tolerance: f64, may_be_flushed: bool) -> Allowed {
    let (conversion, may_be_flushed) = match case.dtype {
        Dtype::F32 | Dtype::F16Native => (0.0, may_be_flushed),
        Dtype::F16 => {
            let is_subnormal = case.reference.abs() - tolerance < Format::F16.min_normal;
            (Format::F16.ulp(case.reference), may_be_flushed || is_subnormal)
        }
    };
    let half_width = tolerance + conversion;
    let (lowest, highest) = (case.reference - half_width, case.reference + half_width);
    if may_be_flushed {
        return Allowed::Within { lowest: lowest.min(0.0), highest: highest.max(0.0) };
    }
    Allowed::Within { lowest, highest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::activation::Direction;
    use crate::kernels::inputs::Inputs;
    use crate::kernels::kernel::{self, Role};

    fn forward(dtype: Dtype, x: f64) -> Case {
        let bits = dtype.bits(x);
        let x = dtype.value(bits);
        Case { dtype, first: x, first_bits: bits, dy: 0.0, reference: reference::sigmoid(x) }
    }

    fn width_in_ulps(case: &Case) -> f64 {
        match sigmoid_exp(case) {
            Allowed::Within { lowest, highest } => {
                (highest - lowest) / 2.0 / case.dtype.arithmetic().ulp(case.reference)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn sigmoid_is_held_to_a_few_ulp_where_exp_is() {
        // At 0: C = 1/2, so 1/2 (3 + 0) + 3.5 units of S = 1/2, which is its own ulp.
        assert!((width_in_ulps(&forward(Dtype::F32, 0.0)) - 5.0).abs() < 1e-3);
        // Far above 0, exp no longer matters: 3.5 units of 1, which just below 1 are 7 ulps.
        assert!((width_in_ulps(&forward(Dtype::F32, 15.0)) - 7.0).abs() < 1e-3);
        // Far below, exp's own 3 + 2|x|, and 3.5; S = 1.2 * 2^-58.
        let case = forward(Dtype::F32, -40.0);
        let units = width_in_ulps(&case) * Format::F32.ulp(case.reference)
            / (case.reference * Format::F32.unit);
        assert!((units - 86.5).abs() < 0.01, "{units}");
    }

    #[test]
    fn a_subnormal_sigmoid_may_be_zero_but_not_twice_itself_and_more() {
        let case = forward(Dtype::F32, -88.0);
        let allowed = sigmoid_exp(&case);
        assert!(allowed.contains(0.0, 0));
        assert!(allowed.contains(case.reference, 0));
        assert!(!allowed.contains(2.0 * case.reference, 0));
        assert!(!allowed.contains(f64::NAN, 0));
    }

    #[test]
    fn relu_must_be_exact() {
        let case = |x: f64| Case { reference: reference::relu(x), ..forward(Dtype::F32, x) };
        assert!(relu(&case(1.0)).contains(1.0, 0));
        assert!(!relu(&case(1.0)).contains(1.0 + f64::from(f32::EPSILON), 0));
        assert!(relu(&case(-1.0)).contains(-0.0, 0));
        assert!(!relu(&case(-1.0)).contains(-1.0, 0));
        assert!(relu(&case(1e-40)).contains(0.0, 0));
        assert!(!relu(&case(1e-40)).contains(f64::from(f32::MIN_POSITIVE), 0));
    }

    #[test]
    fn a_subnormal_dy_survives_the_select_in_f32_alone() {
        let case =
            |dtype: Dtype, dy: f64| Case { dtype, first: 1.0, first_bits: 0, dy, reference: dy };
        assert!(!relu_backward(&case(Dtype::F32, 1e-40)).contains(0.0, 0));
        assert!(relu_backward(&case(Dtype::F16, 6e-8)).contains(0.0, 0));
        assert!(!relu_backward(&case(Dtype::F16Native, 6e-8)).contains(0.0, 0));
    }

    #[test]
    fn every_interval_covers_its_tolerance_floor() {
        let mut checked = 0;
        for kernel in kernel::all() {
            let dtype = kernel.dtype;
            let count = 50_000;
            let read = |role: Role| {
                let mut bytes = vec![0; count * dtype.element_size()];
                Inputs::patterns(9).fill(&kernel, role, 0, &mut bytes);
                bytes
            };
            let first = read(kernel.inputs().next().expect("an input"));
            let dy = if kernel.direction() == Direction::Backward {
                read(Role::Dy)
            } else {
                vec![0; first.len()]
            };
            for index in 0..count {
                let first_bits = dtype.element(&first, index);
                let (first, dy) = (dtype.value(first_bits), dtype.value(dtype.element(&dy, index)));
                let reference = kernel.variant.pass.reference(first, dy);
                let case = Case { dtype, first, first_bits, dy, reference };
                let allowed = (kernel.variant.allowed)(&case);
                if !first.is_finite() || !dy.is_finite() {
                    continue;
                }
                // Of this input alone, of some around it, and of all.
                let ranges = [(1.0, 1.0), (0.99, 1.02), (0.5, 4.0), (0.0, f64::INFINITY)].map(
                    |(smallest, largest)| {
                        let largest = first.max(0.0) * largest;
                        InputRange {
                            dtype,
                            smallest_magnitude: first.abs() * smallest,
                            largest: if largest.is_nan() { f64::INFINITY } else { largest },
                        }
                    },
                );
                let floors = ranges.iter().map(|range| kernel.variant.tolerance_floor(range));
                let Some(floors) = floors.collect::<Option<Vec<_>>>() else { continue };
                assert!(
                    allowed.contains(reference, first_bits),
                    "{}: {case:?} {allowed:?}",
                    kernel.path()
                );
                let smallest = dtype.memory().min_normal * dy.abs().max(1.0);
                if let (Allowed::Within { lowest, highest }, true) =
                    (allowed, reference.abs() >= smallest)
                {
                    for floor in floors {
                        let distance =
                            floor.relative * dtype.memory().unit * reference.abs() + floor.absolute;
                        let tolerance = (highest - reference).min(reference - lowest);
                        assert!(tolerance >= distance, "{}: {case:?} {floor:?}", kernel.path());
                    }
                    checked += 1;
                }
            }
        }
        assert!(checked > 200_000, "{checked}");
    }

    #[test]
    fn what_is_not_finite_is_indeterminate() {
        for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let case = Case { dtype: Dtype::F32, first: x, first_bits: 0, dy: 1.0, reference: 0.0 };
            let sigmoids = [sigmoid_exp, sigmoid_naive, sigmoid_exp2, sigmoid_poly, sigmoid_tanh];
            let others = [add, relu, relu_backward, sigmoid_from_y, sigmoid_from_x];
            for allowed in sigmoids.into_iter().chain(others) {
                assert_eq!(allowed(&case), Allowed::Anything);
            }
        }
    }
}
