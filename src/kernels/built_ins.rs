//! The built-in functions that the errors of formulas rest on: how far WGSL lets them be off, and
//! how far they were seen to be off on an adapter.

use std::f64::consts::PI;

use crate::kernels::dtype::{Dtype, Format};

/// A built-in function of WGSL, or division, that need not be rounded correctly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltIn {
    /// a / b.
    Division,
    /// exp(x).
    Exp,
    /// exp2(x).
    Exp2,
    /// inverseSqrt(x).
    InverseSqrt,
    /// log(x).
    Log,
    /// log2(x).
    Log2,
    /// sin(x).
    Sin,
    /// tanh(x).
    Tanh,
}

const COUNT: usize = BuiltIn::ALL.len();

impl BuiltIn {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 8] = [
        Self::Division,
        Self::Exp,
        Self::Exp2,
        Self::InverseSqrt,
        Self::Log,
        Self::Log2,
        Self::Sin,
        Self::Tanh,
    ];

    /// In names of findings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Division => "division",
            Self::Exp => "exp",
            Self::Exp2 => "exp2",
            Self::InverseSqrt => "rsqrt",
            Self::Log => "log",
            Self::Log2 => "log2",
            Self::Sin => "sin",
            Self::Tanh => "tanh",
        }
    }

    /// By how much WGSL lets the `result` for `x` be off, where it defines one.
    pub fn error(self, dtype: Dtype, x: f64, result: f64) -> f64 {
        let ulps = |ulps: f64| ulps * dtype.arithmetic().ulp(result);
        match self {
            Self::Division => ulps(DIVISION_ULPS),
            Self::Exp | Self::Exp2 => ulps(exp_ulps(dtype, x)),
            Self::InverseSqrt => ulps(2.0),
            Self::Log | Self::Log2 if (0.5..=2.0).contains(&x) => log_absolute(dtype),
            Self::Log | Self::Log2 => ulps(LOG_ULPS),
            Self::Sin => by_arithmetic(dtype, 2f64.powi(-11), 2f64.powi(-7)),
            Self::Tanh => tanh_absolute(dtype, x),
        }
    }

    /// From the lowest to the highest x at which that error is asked for: where the result is
    /// normal, and stays finite with the error.
    pub fn domain(self, dtype: Dtype) -> [f64; 2] {
        let is_f32 = dtype.arithmetic() == Format::F32;
        match self {
            Self::Division | Self::InverseSqrt | Self::Log | Self::Log2 => {
                [dtype.arithmetic().min_normal, dtype.arithmetic().max]
            }
            Self::Exp if is_f32 => [-87.3, 88.7],
            Self::Exp => [-9.7, 11.0],
            Self::Exp2 if is_f32 => [-125.9, 127.9],
            Self::Exp2 => [-13.9, 15.9],
            Self::Sin => [-PI, PI],
            // Beyond 20 it is 1; whether it stays so is another question.
            Self::Tanh if is_f32 => [-20.0, 20.0],
            Self::Tanh => [-10.0, 10.0],
        }
    }
}

/// How much of what WGSL allows each built-in takes on an adapter at most, in one format. None of
/// it unless measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BuiltIns {
    shares: [f64; COUNT],
}

impl BuiltIns {
    /// A sample misses the worst: lavapipe's exp takes 1.13 of what WGSL allows, and 1.10 in one
    /// input of 100.
    const MARGIN: f64 = 1.05;

    /// What is off by more is broken, and no kernel that calls it is excused.
    pub const MOST: f64 = 4.0;

    /// With the share of one. Infinite where it gives NaN or infinity within its domain.
    pub fn with(mut self, built_in: BuiltIn, share: f64) -> Self {
        self.shares[built_in as usize] = share;
        self
    }

    /// The share of one.
    pub fn share(&self, built_in: BuiltIn) -> f64 {
        self.shares[built_in as usize]
    }

    /// What its error by WGSL is multiplied with to judge kernels that call it: 1 where it is within
    /// that error, and where it is broken.
    #[inline]
    pub fn factor(&self, built_in: BuiltIn) -> f64 {
        let share = self.share(built_in);
        if share > 1.0 && share <= Self::MOST { Self::MARGIN * share } else { 1.0 }
    }

    /// Those that are off by more than WGSL allows, with their shares.
    pub fn beyond(&self) -> impl Iterator<Item = (BuiltIn, f64)> {
        let shares = BuiltIn::ALL.into_iter().zip(self.shares);
        shares.filter(|(_, share)| *share > 1.0)
    }
}

/// ULP by which a quotient may be off.
pub(super) const DIVISION_ULPS: f64 = 2.5;

/// ULP by which log may be off outside of [0.5, 2].
pub(super) const LOG_ULPS: f64 = 3.0;

/// ULP by which exp(x) and exp2(x) may be off.
#[inline]
pub(super) fn exp_ulps(dtype: Dtype, x: f64) -> f64 {
    by_arithmetic(dtype, 3.0, 1.0) + 2.0 * x.abs()
}

/// By how much log of a number in [0.5, 2] may be off.
pub(super) fn log_absolute(dtype: Dtype) -> f64 {
    by_arithmetic(dtype, 2f64.powi(-21), 2f64.powi(-7))
}

/// By how much tanh(t) may be off: the worse of 1e-5 and what sinh / cosh inherit from exp.
pub(super) fn tanh_absolute(dtype: Dtype, t: f64) -> f64 {
    let inherited = dtype.arithmetic().unit * (2.0 * exp_ulps(dtype, t) + 4.5);
    1e-5f64.max(inherited * (1.0 + 4.0 * inherited))
}

/// One of two figures, by the format that arithmetic sees.
#[inline]
pub fn by_arithmetic(dtype: Dtype, f32: f64, f16: f64) -> f64 {
    if dtype.arithmetic() == Format::F32 { f32 } else { f16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_bound_counts_as_measured_and_what_is_broken_does_not() {
        let exp = |share: f64| BuiltIns::default().with(BuiltIn::Exp, share);
        for share in [0.0, 0.5, 1.0, 4.01, f64::INFINITY, f64::NAN] {
            assert_eq!(exp(share).factor(BuiltIn::Exp), 1.0, "{share}");
        }
        assert!(exp(1.13).factor(BuiltIn::Exp) > 1.13 && exp(1.13).factor(BuiltIn::Exp) < 1.2);
        assert_eq!(exp(1.13).factor(BuiltIn::Exp2), 1.0);
        assert_eq!(exp(1.13).beyond().collect::<Vec<_>>(), [(BuiltIn::Exp, 1.13)]);
        assert_eq!(exp(f64::INFINITY).beyond().count(), 1);
        assert_eq!(exp(1.0).beyond().count(), 0);
    }
}
