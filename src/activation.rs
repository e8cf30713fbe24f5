//! The table of activations: each with its CPU reference, and the forms in which WGSL computes it.
//!
//! Adding an activation is one file in `shaders/activations/` and one row here; tests, validation and benchmarks follow.
//! The WGSL function of a form is named `{activation}_{form}`.

use crate::bounds::{self, Allowed, Case};
use crate::reference;

/// An elementwise function of a tensor, with its derivative.
#[derive(Debug)]
pub struct Activation {
    /// The name in ids, on the command line, and the first part of its WGSL functions.
    pub name: &'static str,
    /// The functions of its forms.
    pub wgsl: &'static str,
    /// The largest y there is; the smallest is 0 wherever y is saved.
    pub highest_y: f64,
    /// The forms, the default of each pass first.
    pub forms: &'static [Form],
}

/// One way to compute an activation or its gradient.
#[derive(Debug)]
pub struct Form {
    /// The name in ids, and the second part of the WGSL function.
    pub name: &'static str,
    /// What it computes from what, with the f64 reference.
    pub pass: Pass,
    /// What it may return for one input.
    pub allowed: fn(&Case) -> Allowed,
}

/// What a form reads and writes.
#[derive(Clone, Copy, Debug)]
pub enum Pass {
    /// y from x.
    Forward {
        /// y in f64.
        reference: fn(x: f64) -> f64,
        /// Whether elements are moved as bits, without arithmetic.
        raw: bool,
    },
    /// dx from a saved tensor and dy.
    Backward {
        /// What the forward pass kept.
        saved: Saved,
        /// dx in f64.
        reference: fn(saved: f64, dy: f64) -> f64,
    },
}

/// The tensor that a forward pass keeps for the backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Saved {
    /// The input.
    X,
    /// The output.
    Y,
}

/// All activations: the yardsticks first, as tables list them.
pub static ACTIVATIONS: &[Activation] = &[
    Activation {
        name: "copy",
        wgsl: include_str!("../shaders/activations/copy.wgsl"),
        highest_y: f64::INFINITY,
        forms: &[Form {
            name: "plain",
            pass: Pass::Forward { reference: reference::copy, raw: true },
            allowed: bounds::copy,
        }],
    },
    Activation {
        name: "add",
        wgsl: include_str!("../shaders/activations/add.wgsl"),
        highest_y: f64::INFINITY,
        forms: &[Form {
            name: "plain",
            pass: Pass::Backward { saved: Saved::X, reference: reference::add },
            allowed: bounds::add,
        }],
    },
    Activation {
        name: "relu",
        wgsl: include_str!("../shaders/activations/relu.wgsl"),
        highest_y: f64::INFINITY,
        forms: &[
            Form {
                name: "plain",
                pass: Pass::Forward { reference: reference::relu, raw: false },
                allowed: bounds::relu,
            },
            Form {
                name: "from_y",
                pass: Pass::Backward { saved: Saved::Y, reference: reference::relu_backward },
                allowed: bounds::relu_backward,
            },
        ],
    },
    Activation {
        name: "sigmoid",
        wgsl: include_str!("../shaders/activations/sigmoid.wgsl"),
        highest_y: 1.0,
        forms: &[
            Form {
                name: "two_sided",
                pass: Pass::Forward { reference: reference::sigmoid, raw: false },
                allowed: bounds::sigmoid_exp,
            },
            Form {
                name: "from_y",
                pass: Pass::Backward { saved: Saved::Y, reference: reference::sigmoid_from_y },
                allowed: bounds::sigmoid_from_y,
            },
        ],
    },
];

impl Activation {
    /// The activation of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ACTIVATIONS.iter().find(|activation| activation.name == name)
    }

    /// The y nearest to `value`.
    #[must_use]
    pub fn clamp_y(&self, value: f64) -> f64 {
        value.clamp(0.0, self.highest_y)
    }

    /// y in f64, if there is a forward form.
    #[must_use]
    pub fn forward_reference(&self) -> Option<fn(f64) -> f64> {
        self.forms.iter().find_map(|form| match form.pass {
            Pass::Forward { reference, .. } => Some(reference),
            Pass::Backward { .. } => None,
        })
    }
}

impl Pass {
    /// The direction's name in ids.
    #[must_use]
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
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
        }
    }

    /// The activation that moves the same bytes and computes nothing: what the others are measured against.
    #[must_use]
    pub fn yardstick(self) -> &'static str {
        match self {
            Self::Forward => "copy",
            Self::Backward => "add",
        }
    }
}
