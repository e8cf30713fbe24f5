//! How far each kernel is from the reference, over inputs chosen to find it wrong rather than those
//! that it is timed on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kernels::kernel::Kernel;
use crate::validate;

/// A kernel against the f64 reference, over edge values, bit patterns and normal inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Accuracy {
    /// `direction/dtype/activation/variant`; unique in a report.
    pub kernel: String,
    /// Elements that were compared.
    pub inputs: u64,
    /// Elements outside of what the WGSL specification allows.
    pub violations: u64,
    /// Largest error in units of the last place, of those results that no step may have flushed to
    /// 0.
    pub max_ulp: Option<f64>,
    /// x, or the saved tensor's element, of that error; null where it is no number.
    pub max_ulp_at: Option<f64>,
    /// Mean error in units of the last place.
    pub mean_ulp: Option<f64>,
    /// Largest error as a share of what the specification allows.
    pub max_share_of_bound: Option<f64>,
    /// A within 3 ULP everywhere, B within what a driver's plain exp explains, C within the bound;
    /// null if it is wrong.
    pub tier: Option<char>,
    /// What the specification allows, in a line.
    pub bound: String,
    /// The inputs for which it defines a result, in words.
    pub domain: String,
    /// Whether these are all finite inputs that the kernel can be given: a saved y is always from 0
    /// to 1.
    pub is_total: bool,
    /// The error by x, where that was looked at.
    #[serde(default)]
    pub by_x: Vec<AccuracyBin>,
}

/// The error over a range of x.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccuracyBin {
    /// Lower end of the range.
    pub from: f64,
    /// Upper end of the range.
    pub to: f64,
    /// Largest error in units of the last place.
    pub max_ulp: Option<f64>,
    /// Mean error in units of the last place.
    pub mean_ulp: Option<f64>,
}

impl Accuracy {
    /// Of a kernel, as a comparison found it.
    pub fn new(kernel: &Kernel, found: &validate::Accuracy) -> Self {
        Self {
            kernel: kernel.path(),
            inputs: found.inputs,
            violations: found.violations + u64::from(found.guard_broken),
            max_ulp: finite(found.max_ulp),
            max_ulp_at: finite(kernel.dtype.value(found.max_ulp_at)),
            mean_ulp: finite(found.mean_ulp()),
            max_share_of_bound: finite(found.max_share),
            tier: found.tier(kernel.dtype),
            bound: kernel.variant.bound.to_owned(),
            domain: kernel.variant.domain(),
            is_total: kernel.variant.is_total(),
            by_x: Vec::new(),
        }
    }
}

/// Whether a kernel is right wherever it can be used, and no less accurate than the default
/// variant, which is compared first: what a variant has to be to be recommended.
pub(super) fn is_sound(accuracy: &[Accuracy], kernel: &str) -> bool {
    fn activation(path: &str) -> &str {
        path.rsplit_once('/').map_or(path, |(activation, _)| activation)
    }
    let default = accuracy.iter().find(|it| activation(&it.kernel) == activation(kernel));
    let tier = default.and_then(|default| default.tier);
    accuracy.iter().find(|it| it.kernel == kernel).is_some_and(|found| {
        let is_right = found.is_total && found.violations == 0;
        is_right && tier.is_none_or(|tier| found.tier <= Some(tier))
    })
}

impl AccuracyBin {
    /// As a comparison found it over a range of x.
    pub fn new(from: f64, to: f64, found: &validate::Accuracy) -> Self {
        Self { from, to, max_ulp: finite(found.max_ulp), mean_ulp: finite(found.mean_ulp()) }
    }
}

pub(super) fn finite(value: f64) -> Option<f64> {
    Some(value).filter(|value| value.is_finite())
}
