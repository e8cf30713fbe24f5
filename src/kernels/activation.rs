//! The table of activations: each with its variants in WGSL and their CPU references.
//!
//! A new activation is a file in `shaders/activations/` and a row here; tests, validation and
//! benchmarks follow. The WGSL function of a variant is named `{activation}_{variant}`.

use crate::kernels::bounds::{self, Allowed, Case, InputRange, ToleranceFloor};
use crate::kernels::dtype::Dtype;
use crate::kernels::reference::{self, of_each, of_each_pair};

/// An elementwise function of a tensor, with its derivative.
#[derive(Debug)]
pub struct Activation {
    /// The name in ids, on the command line, and the first part of its WGSL functions.
    pub name: &'static str,
    /// The functions of its variants.
    pub wgsl: &'static str,
    /// The largest y there is; the smallest is 0 wherever y is saved.
    pub highest_y: f64,
    /// The variants, the default of each pass first.
    pub variants: &'static [Variant],
}

/// One way to compute an activation or its gradient.
#[derive(Debug)]
pub struct Variant {
    /// The name in ids, and the second part of the WGSL function.
    pub name: &'static str,
    /// What it computes from what, with the f64 reference.
    pub pass: Pass,
    /// Whether it is written for a dtype.
    pub is_for: fn(Dtype) -> bool,
    /// What it may return for one input.
    pub allowed: Bound,
    /// An error that is allowed for every input of a range whose result no step may flush. Most
    /// elements are that close, and need no interval of their own. None where even the reference
    /// may be wrong.
    pub tolerance_floor: Option<Floor>,
    /// `allowed` in a line, in the symbols of `bounds`.
    pub bound: &'static str,
    /// The inputs for which WGSL defines a result.
    pub domain: &'static str,
}

/// What may be returned for one input.
type Bound = fn(&Case) -> Allowed;

/// What may be returned for every input of a range.
type Floor = fn(&InputRange) -> ToleranceFloor;

/// What a variant reads and writes.
#[derive(Clone, Copy, Debug)]
pub enum Pass {
    /// y from x.
    Forward {
        /// Every y in f64.
        reference: ForwardReference,
        /// What it writes beside y, or whether it computes at all.
        kind: ForwardKind,
    },
    /// dx from a saved tensor and dy.
    Backward {
        /// What the forward pass kept.
        saved: Saved,
        /// Every dx in f64; of a mask's element, `saved` is 1 or 0.
        reference: BackwardReference,
    },
}

/// Every y in f64, of x.
pub type ForwardReference = fn(x: &[f64], y: &mut [f64]);

/// Every dx in f64, of the saved elements and dy.
pub type BackwardReference = fn(saved: &[f64], dy: &[f64], dx: &mut [f64]);

/// What a forward pass does beside computing y.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardKind {
    /// Moves elements as bits, without arithmetic.
    Raw,
    /// Nothing.
    Plain,
    /// Keeps one bit an element for the backward pass: whether x > 0.
    WithMask,
}

/// The tensor that a forward pass keeps for the backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Saved {
    /// The input.
    X,
    /// The output.
    Y,
    /// One bit an element.
    Mask,
}

const EVERY_FINITE: &str = "every finite input";
const EVERY_PATTERN: &str = "every bit pattern";
const EVERY_Y: &str = "y in [0, 1], finite dy";

/// All activations, as tables list them: copy and add first.
pub static ACTIVATIONS: &[Activation] = &[
    Activation {
        name: "copy",
        wgsl: include_str!("../../shaders/activations/copy.wgsl"),
        highest_y: f64::INFINITY,
        variants: &[Variant {
            name: "plain",
            pass: Pass::Forward {
                reference: |x, y| of_each(reference::copy, x, y),
                kind: ForwardKind::Raw,
            },
            is_for: |_| true,
            allowed: bounds::copy,
            tolerance_floor: None,
            bound: "the bits of x",
            domain: EVERY_PATTERN,
        }],
    },
    Activation {
        name: "add",
        wgsl: include_str!("../../shaders/activations/add.wgsl"),
        highest_y: f64::INFINITY,
        variants: &[backward(
            "plain",
            Saved::X,
            |saved, dy, dx| of_each_pair(reference::add, saved, dy, dx),
            bounds::add,
            bounds::add_floor,
            "1 ulp, either direction",
        )],
    },
    Activation {
        name: "relu",
        wgsl: include_str!("../../shaders/activations/relu.wgsl"),
        highest_y: f64::INFINITY,
        variants: &[
            relu("plain", ForwardKind::Plain, "exact; a subnormal x may be 0"),
            relu(
                "with_mask",
                ForwardKind::WithMask,
                "exact; a subnormal x may be 0, its bit either",
            ),
            relu_backward("from_y", Saved::Y, RELU_BACKWARD),
            relu_backward("from_x", Saved::X, RELU_BACKWARD),
            relu_backward("from_mask", Saved::Mask, "exact"),
        ],
    },
    Activation {
        name: "sigmoid",
        wgsl: include_str!("../../shaders/activations/sigmoid.wgsl"),
        highest_y: 1.0,
        variants: &[
            sigmoid("two_sided", bounds::sigmoid_exp, bounds::sigmoid_exp_floor, SIGMOID_EXP),
            Variant {
                domain: "x >= -87.3365; f16_native: x >= -9.7040",
                ..sigmoid("naive", bounds::sigmoid_naive, bounds::sigmoid_exp_floor, SIGMOID_EXP)
            },
            sigmoid(
                "exp2",
                bounds::sigmoid_exp2,
                bounds::sigmoid_exp2_floor,
                "u S (C (3 + 4.1|x|) + 3.5); f16_native: C (1 + 4.2|x|)",
            ),
            Variant {
                domain: "|x| <= 176.0; f16_native: |x| <= 20.7",
                ..sigmoid("tanh", bounds::sigmoid_tanh, bounds::sigmoid_tanh_floor, SIGMOID_TANH)
            },
            Variant {
                is_for: |dtype| dtype.computed_in() == Dtype::F32,
                ..sigmoid(
                    "poly",
                    bounds::sigmoid_poly,
                    bounds::sigmoid_poly_floor,
                    "u S (C (4 + 2|x|) + 3.5)",
                )
            },
            Variant {
                domain: EVERY_Y,
                ..backward(
                    "from_y",
                    Saved::Y,
                    |saved, dy, dx| of_each_pair(reference::sigmoid_from_y, saved, dy, dx),
                    bounds::sigmoid_from_y,
                    bounds::sigmoid_from_y_floor,
                    "3 u |dx|",
                )
            },
            backward(
                "from_x",
                Saved::X,
                |saved, dy, dx| of_each_pair(reference::sigmoid_from_x, saved, dy, dx),
                bounds::sigmoid_from_x,
                bounds::sigmoid_from_x_floor,
                "u |dx| ((3 + 2|x|) tanh(|x|/2) + 10); f16_native: (1 + 2|x|)",
            ),
        ],
    },
];

const RELU_BACKWARD: &str = "exact; 0 where the saved element is subnormal is allowed";
const SIGMOID_TANH: &str =
    "absolute: half of tanh's own, the worse of 1e-5 and that of sinh / cosh, and 2 u";
const SIGMOID_EXP: &str = "u S (C (3 + 2|x|) + 3.5); f16_native: C (1 + 2|x|)";

const fn relu(name: &'static str, kind: ForwardKind, bound: &'static str) -> Variant {
    let pass = Pass::Forward { reference: |x, y| of_each(reference::relu, x, y), kind };
    variant(name, pass, bounds::relu, bounds::no_floor, bound)
}

const fn relu_backward(name: &'static str, saved: Saved, bound: &'static str) -> Variant {
    let reference: BackwardReference =
        |saved, dy, dx| of_each_pair(reference::relu_backward, saved, dy, dx);
    backward(name, saved, reference, bounds::relu_backward, bounds::no_floor, bound)
}

const fn sigmoid(name: &'static str, allowed: Bound, floor: Floor, bound: &'static str) -> Variant {
    let reference: ForwardReference = |x, y| of_each(reference::sigmoid, x, y);
    let pass = Pass::Forward { reference, kind: ForwardKind::Plain };
    variant(name, pass, allowed, floor, bound)
}

const fn backward(
    name: &'static str,
    saved: Saved,
    reference: BackwardReference,
    allowed: Bound,
    floor: Floor,
    bound: &'static str,
) -> Variant {
    variant(name, Pass::Backward { saved, reference }, allowed, floor, bound)
}

/// Of every dtype and finite input, as most are.
const fn variant(
    name: &'static str,
    pass: Pass,
    allowed: Bound,
    floor: Floor,
    bound: &'static str,
) -> Variant {
    let tolerance_floor = Some(floor);
    Variant { name, pass, is_for: |_| true, allowed, tolerance_floor, bound, domain: EVERY_FINITE }
}

impl Variant {
    /// Whether every finite input has a defined result. A saved y is one that a forward pass wrote.
    pub fn is_total(&self) -> bool {
        matches!(self.domain, EVERY_FINITE | EVERY_PATTERN | EVERY_Y)
    }

    /// The tolerance floor in the u of the format in memory. Where f32 results are stored as f16,
    /// that rounding alone may take an ULP, which is at least half of u |reference|.
    pub fn tolerance_floor(&self, range: &InputRange) -> Option<ToleranceFloor> {
        let floor = self.tolerance_floor?(range);
        Some(match range.dtype {
            Dtype::F32 | Dtype::F16Native => floor,
            Dtype::F16 => ToleranceFloor { relative: floor.relative.min(0.5), ..floor },
        })
    }
}

impl Activation {
    /// The activation of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ACTIVATIONS.iter().find(|activation| activation.name == name)
    }

    /// The y nearest to `value`.
    pub fn clamp_y(&self, value: f64) -> f64 {
        value.clamp(0.0, self.highest_y)
    }

    /// A forward pass, if there is one.
    pub fn forward(&self) -> Option<Pass> {
        let mut passes = self.variants.iter().map(|variant| variant.pass);
        passes.find(|pass| pass.direction() == Direction::Forward)
    }
}

impl Pass {
    /// The f64 result for an input; `dy` is ignored forward.
    pub fn reference(&self, first: f64, dy: f64) -> f64 {
        let mut reference = [0.0];
        self.references(&[first], &[dy], &mut reference);
        reference[0]
    }

    /// [`Self::reference`] of many inputs. Slices have one length; forward, `dy` may be empty.
    pub fn references(&self, first: &[f64], dy: &[f64], references: &mut [f64]) {
        match self {
            Self::Forward { reference, .. } => reference(first, references),
            Self::Backward { reference, .. } => reference(first, dy, references),
        }
    }

    /// Which pass of training it belongs to.
    pub fn direction(&self) -> Direction {
        match self {
            Self::Forward { .. } => Direction::Forward,
            Self::Backward { .. } => Direction::Backward,
        }
    }
}

/// Which pass of training a kernel belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// y from x.
    Forward,
    /// dx from a saved tensor and dy.
    Backward,
}

impl Direction {
    /// Both, in the order of tables.
    pub const ALL: [Self; 2] = [Self::Forward, Self::Backward];

    /// The name in ids.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
        }
    }

    /// The kernel that moves the same bytes and computes nothing: others are a % of it.
    pub fn copy(self) -> &'static str {
        match self {
            Self::Forward => "copy",
            Self::Backward => "add",
        }
    }
}
