//! What a kernel may return for one input. It follows from WGSL's accuracy table, not from what a
//! GPU was seen to do. Where one of its built-in functions is off by more than the table allows,
//! kernels that call it are judged by how far it was seen to be off ([`BuiltIns::factor`]).
//!
//! Written u for the arithmetic's unit (2^-23 for f32, 2^-10 for f16):
//!
//! - WGSL section "Floating Point Accuracy": + - * within 1 ulp (correctly rounded, but in either
//!   direction), division within 2.5 ULP while its denominator is in [2^-126, 2^126] (f16: [2^-14,
//!   2^14]); the built-in functions as below.
//! - Any operation may flush a subnormal operand or result to zero, and the sign of a zero may be
//!   ignored.
//! - Overflow, infinity and NaN make the result indeterminate: anything is allowed.
//! - select, load and store keep bits, subnormals included.
//!
//! METHODOLOGY.md derives the error of each formula.

use std::f64::consts::{LN_2, LOG2_E};

use serde::{Deserialize, Serialize};

use crate::kernels::built_ins::{self, BuiltIn, BuiltIns, DIVISION_ULPS, LOG_ULPS, by_arithmetic};
use crate::kernels::dtype::{Dtype, Format};

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
    /// How far the adapter's built-in functions are off.
    pub built_ins: BuiltIns,
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

/// How far WGSL lets a formula be off from its f64 reference.
#[derive(Clone, Copy, Debug)]
pub enum FormulaError {
    /// Not by a bit, whatever the bits mean.
    Bits,
    /// Not at all: the result is one of two values.
    OneOf(fn(&Case) -> [f64; 2]),
    /// By so much.
    Within(fn(&Case) -> Tolerance),
}

/// A distance from the reference: `units` u `of`, and `absolute`.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// Roundings, in u.
    pub units: f64,
    /// What they are roundings of: |reference|, or the largest term of a sum that cancels. Errors
    /// are told in ULP of it.
    pub of: f64,
    /// In the unit of the result.
    pub absolute: f64,
    /// The smallest intermediate value that the result is proportional to. Where it is subnormal,
    /// the result may be flushed to 0.
    pub least: f64,
    /// What that intermediate value is multiplied with later.
    pub factor: f64,
}

impl Tolerance {
    /// So many roundings of the result.
    #[inline]
    pub fn units(case: &Case, units: f64) -> Self {
        let of = case.reference.abs();
        Self { units, of, absolute: 0.0, least: of, factor: 1.0 + case.dy.abs() }
    }

    /// And so much more.
    #[inline]
    pub fn and(self, absolute: f64) -> Self {
        Self { absolute, ..self }
    }

    /// Roundings of terms, the largest of which is at least the result.
    #[inline]
    pub fn of_terms(self, largest: f64) -> Self {
        Self { of: self.of.max(largest), ..self }
    }

    /// The result goes through an intermediate value of this size, which `factor` multiplies.
    #[inline]
    pub fn through(self, least: f64, factor: f64) -> Self {
        let least = self.least.min(least.abs());
        Self { least, factor: self.factor * factor.max(1.0), ..self }
    }

    /// Whether a digit of the result is promised at all: near a zero of a function there may be
    /// none, and an error in ULP would mean nothing.
    #[inline]
    pub fn promises_a_digit(&self, dtype: Dtype) -> bool {
        self.rounding(dtype) < self.of
    }

    /// What roundings alone allow, in the unit of the result.
    #[inline]
    fn rounding(&self, dtype: Dtype) -> f64 {
        self.units * dtype.arithmetic().unit * self.of + self.absolute
    }

    /// The same of a result in memory: that of f16 may be off by its ULP more, which is at least
    /// half of u |reference|.
    #[inline]
    pub fn of_result(&self, dtype: Dtype, reference: f64) -> f64 {
        let stored = if dtype == Dtype::F16 { Format::F16.unit / 2.0 } else { 0.0 };
        self.rounding(dtype) + stored * reference.abs()
    }
}

/// The first operands for which WGSL defines a formula: from the lowest to the highest, in f32 and
/// in f16 arithmetic.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Domain {
    /// In f32.
    pub f32: [f64; 2],
    /// In f16.
    pub f16: [f64; 2],
}

impl Domain {
    /// Every finite number.
    pub const ALL: Self = Self::within(f64::INFINITY, f64::INFINITY);

    /// As far as `highest` to either side.
    pub const fn within(f32: f64, f16: f64) -> Self {
        Self { f32: [-f32, f32], f16: [-f16, f16] }
    }

    /// In words; whether f16 arithmetic matters.
    pub fn describe(&self, in_f16: bool) -> String {
        let range = |[lowest, highest]: [f64; 2]| match (lowest.is_finite(), highest.is_finite()) {
            (true, true) if lowest == -highest => format!("|x| <= {highest:.4}"),
            (true, true) => format!("{lowest:.4} <= x <= {highest:.4}"),
            (true, false) => format!("x >= {lowest:.4}"),
            (false, true) => format!("x <= {highest:.4}"),
            (false, false) => "every finite input".to_owned(),
        };
        let in_f32 = range(self.f32);
        if in_f16 && self.f32 != self.f16 {
            return format!("{in_f32}; f16_native: {}", range(self.f16));
        }
        in_f32
    }

    #[inline]
    fn contains(&self, format: Format, first: f64) -> bool {
        let [lowest, highest] = if format == Format::F32 { self.f32 } else { self.f16 };
        lowest <= first && first <= highest
    }
}

/// What is right for an input, of a formula with this error in this domain.
#[inline]
pub fn allowed(error: &FormulaError, domain: &Domain, case: &Case) -> Allowed {
    if let FormulaError::Bits = error {
        return Allowed::Bits(case.first_bits);
    }
    let is_finite = case.first.is_finite() && case.dy.is_finite();
    if !is_finite || !domain.contains(case.dtype.arithmetic(), case.first) {
        return Allowed::Anything;
    }
    match error {
        FormulaError::Bits => Allowed::Bits(case.first_bits),
        FormulaError::OneOf(values) => {
            let [a, b] = values(case);
            Allowed::OneOf(a, b)
        }
        FormulaError::Within(tolerance) => within(case, &tolerance(case)),
    }
}

/// The interval around the reference, wider where the result is converted to f16: to either
/// neighbour. It is extended to 0 where some step may flush a subnormal number.
fn within(case: &Case, tolerance: &Tolerance) -> Allowed {
    let format = case.dtype.arithmetic();
    let Tolerance { units, least, factor, .. } = *tolerance;
    let higher_orders = 1.0 + 4.0 * format.unit * units;
    let mut half_width = tolerance.rounding(case.dtype) * higher_orders;
    let mut may_be_flushed = least < 2.0 * format.min_normal;
    if may_be_flushed {
        // Below the smallest normal number an ULP no longer shrinks, but no function is off by more
        // than that number there.
        let steps = (units * format.smallest() * higher_orders).min(format.min_normal) * factor;
        half_width = half_width.max(steps);
    }
    if case.dtype == Dtype::F16 {
        may_be_flushed |= case.reference.abs() - half_width < Format::F16.min_normal;
        half_width += Format::F16.ulp(case.reference);
    }
    if case.reference.abs() + half_width > case.dtype.memory().max {
        return Allowed::Anything;
    }
    let (mut lowest, mut highest) = (case.reference - half_width, case.reference + half_width);
    if may_be_flushed {
        (lowest, highest) = (lowest.min(0.0), highest.max(0.0));
    }
    Allowed::Within { lowest, highest }
}

/// ULP by which a quotient may be off.
#[inline]
pub fn division_ulps(case: &Case) -> f64 {
    case.built_ins.factor(BuiltIn::Division) * DIVISION_ULPS
}

/// ULP by which exp(x) may be off.
#[inline]
pub fn exp_ulps(case: &Case, x: f64) -> f64 {
    case.built_ins.factor(BuiltIn::Exp) * built_ins::exp_ulps(case.dtype, x)
}

/// ULP by which exp2(x log2(e)) may be off from exp(x): exp2's 2 ULP per unit of its argument are
/// 2 log2(e) per unit of x; the product's rounding is |x|, and log2(e) is itself rounded.
pub fn exp2_ulps(case: &Case, x: f64) -> f64 {
    let off = by_arithmetic(case.dtype, 0.17, 0.23);
    let exp2 = built_ins::exp_ulps(case.dtype, LOG2_E * x);
    case.built_ins.factor(BuiltIn::Exp2) * exp2 + (1.0 + off) * x.abs()
}

/// By how much log of a number in [0.5, 2] may be off.
pub fn log_absolute(case: &Case) -> f64 {
    case.built_ins.factor(BuiltIn::Log) * built_ins::log_absolute(case.dtype)
}

/// ULP by which log of another number may be off.
pub fn log_ulps(case: &Case) -> f64 {
    case.built_ins.factor(BuiltIn::Log) * LOG_ULPS
}

/// By how much tanh(t) may be off.
pub fn tanh_absolute(case: &Case, t: f64) -> f64 {
    case.built_ins.factor(BuiltIn::Tanh) * built_ins::tanh_absolute(case.dtype, t)
}

/// The t for which tanh(t) is defined: beyond, cosh(t) leaves the denominators of a division.
pub const TANH_DOMAIN: Domain = Domain::within(127.0 * LN_2, 15.0 * LN_2);

/// ULP by which our own expm1 and log1p are off at most in f32, in any order of their sums.
pub const EXPM1_ULPS: f64 = 8.0;

/// The error of a function of our own: computed in f32, and rounded where arithmetic is in f16.
pub fn of_own(dtype: Dtype, ulps: f64) -> f64 {
    by_arithmetic(dtype, ulps, 2.0)
}

/// Whether loading, computing with, or storing `value` may turn it into 0.
pub fn may_flush(dtype: Dtype, value: f64) -> bool {
    dtype.memory().is_subnormal(value) || dtype.arithmetic().is_subnormal(value)
}
