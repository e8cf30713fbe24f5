//! The table of activations: each with its CPU reference, and the forms in which WGSL computes it.
//!
//! Adding an activation is one file in `shaders/activations/` and one row here; tests, validation and benchmarks follow.
//! The WGSL function of a form is named `{activation}_{form}`.

use crate::kernels::bounds::{self, Allowed, Case, Reach, Span};
use crate::kernels::dtype::Storage;
use crate::kernels::reference::{self, of_each, of_each_pair};

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
    /// The storages it is written for.
    pub storages: &'static [Storage],
    /// What it may return for one input.
    pub allowed: fn(&Case) -> Allowed,
    /// How far the allowed intervals of some inputs all reach at least, around truths that no step may flush; none where even the truth may be
    /// wrong. A comparison that knows it need not look closer at most elements.
    pub least: Option<fn(&Span) -> Reach>,
    /// `allowed` in a line, in the symbols of [`crate::kernels::bounds`].
    pub bound: &'static str,
    /// The inputs for which WGSL defines a result.
    pub domain: &'static str,
}

/// What a form reads and writes.
#[derive(Clone, Copy, Debug)]
pub enum Pass {
    /// y from x.
    Forward {
        /// Every y in f64.
        reference: fn(x: &[f64], y: &mut [f64]),
        /// What it writes beside y, or whether it computes at all.
        kind: ForwardKind,
    },
    /// dx from a saved tensor and dy.
    Backward {
        /// What the forward pass kept.
        saved: Saved,
        /// Every dx in f64; of a mask's element, `saved` is 1 or 0.
        reference: fn(saved: &[f64], dy: &[f64], dx: &mut [f64]),
    },
}

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

const F32_ARITHMETIC: &[Storage] = &[Storage::F32, Storage::F16];
const EVERY_FINITE: &str = "every finite input";
const EVERY_PATTERN: &str = "every bit pattern";
const EVERY_Y: &str = "y in [0, 1], finite dy";

/// All activations: the yardsticks first, as tables list them.
pub static ACTIVATIONS: &[Activation] = &[
    Activation {
        name: "copy",
        wgsl: include_str!("../../shaders/activations/copy.wgsl"),
        highest_y: f64::INFINITY,
        forms: &[Form {
            name: "plain",
            pass: Pass::Forward {
                reference: |x, y| of_each(reference::copy, x, y),
                kind: ForwardKind::Raw,
            },
            storages: &Storage::ALL,
            allowed: bounds::copy,
            least: None,
            bound: "the bits of x",
            domain: EVERY_PATTERN,
        }],
    },
    Activation {
        name: "add",
        wgsl: include_str!("../../shaders/activations/add.wgsl"),
        highest_y: f64::INFINITY,
        forms: &[Form {
            name: "plain",
            pass: Pass::Backward {
                saved: Saved::X,
                reference: |saved, dy, dx| of_each_pair(reference::add, saved, dy, dx),
            },
            storages: &Storage::ALL,
            allowed: bounds::add,
            least: Some(bounds::add_reach),
            bound: "1 ulp, either direction",
            domain: EVERY_FINITE,
        }],
    },
    Activation {
        name: "relu",
        wgsl: include_str!("../../shaders/activations/relu.wgsl"),
        highest_y: f64::INFINITY,
        forms: &[
            Form {
                name: "plain",
                pass: Pass::Forward {
                    reference: |x, y| of_each(reference::relu, x, y),
                    kind: ForwardKind::Plain,
                },
                storages: &Storage::ALL,
                allowed: bounds::relu,
                least: Some(bounds::no_reach),
                bound: "exact; a subnormal x may be 0",
                domain: EVERY_FINITE,
            },
            Form {
                name: "with_mask",
                pass: Pass::Forward {
                    reference: |x, y| of_each(reference::relu, x, y),
                    kind: ForwardKind::WithMask,
                },
                storages: &Storage::ALL,
                allowed: bounds::relu,
                least: Some(bounds::no_reach),
                bound: "exact; a subnormal x may be 0, its bit either",
                domain: EVERY_FINITE,
            },
            Form {
                name: "from_y",
                pass: Pass::Backward {
                    saved: Saved::Y,
                    reference: |saved, dy, dx| {
                        of_each_pair(reference::relu_backward, saved, dy, dx)
                    },
                },
                storages: &Storage::ALL,
                allowed: bounds::relu_backward,
                least: Some(bounds::no_reach),
                bound: "exact; 0 where the saved element is subnormal is allowed",
                domain: EVERY_FINITE,
            },
            Form {
                name: "from_x",
                pass: Pass::Backward {
                    saved: Saved::X,
                    reference: |saved, dy, dx| {
                        of_each_pair(reference::relu_backward, saved, dy, dx)
                    },
                },
                storages: &Storage::ALL,
                allowed: bounds::relu_backward,
                least: Some(bounds::no_reach),
                bound: "exact; 0 where the saved element is subnormal is allowed",
                domain: EVERY_FINITE,
            },
            Form {
                name: "from_mask",
                pass: Pass::Backward {
                    saved: Saved::Mask,
                    reference: |saved, dy, dx| {
                        of_each_pair(reference::relu_backward, saved, dy, dx)
                    },
                },
                storages: &Storage::ALL,
                allowed: bounds::relu_backward,
                least: Some(bounds::no_reach),
                bound: "exact",
                domain: EVERY_FINITE,
            },
        ],
    },
    Activation {
        name: "sigmoid",
        wgsl: include_str!("../../shaders/activations/sigmoid.wgsl"),
        highest_y: 1.0,
        forms: &[
            Form {
                name: "two_sided",
                pass: Pass::Forward {
                    reference: |x, y| of_each(reference::sigmoid, x, y),
                    kind: ForwardKind::Plain,
                },
                storages: &Storage::ALL,
                allowed: bounds::sigmoid_exp,
                least: Some(bounds::sigmoid_exp_reach),
                bound: "u S (C (3 + 2|x|) + 3.5); f16_native: C (1 + 2|x|)",
                domain: EVERY_FINITE,
            },
            Form {
                name: "naive",
                pass: Pass::Forward {
                    reference: |x, y| of_each(reference::sigmoid, x, y),
                    kind: ForwardKind::Plain,
                },
                storages: &Storage::ALL,
                allowed: bounds::sigmoid_naive,
                least: Some(bounds::sigmoid_exp_reach),
                bound: "u S (C (3 + 2|x|) + 3.5); f16_native: C (1 + 2|x|)",
                domain: "x >= -87.3365; f16_native: x >= -9.7040",
            },
            Form {
                name: "exp2",
                pass: Pass::Forward {
                    reference: |x, y| of_each(reference::sigmoid, x, y),
                    kind: ForwardKind::Plain,
                },
                storages: &Storage::ALL,
                allowed: bounds::sigmoid_exp2,
                least: Some(bounds::sigmoid_exp2_reach),
                bound: "u S (C (3 + 4.1|x|) + 3.5); f16_native: C (1 + 4.2|x|)",
                domain: EVERY_FINITE,
            },
            Form {
                name: "tanh",
                pass: Pass::Forward {
                    reference: |x, y| of_each(reference::sigmoid, x, y),
                    kind: ForwardKind::Plain,
                },
                storages: &Storage::ALL,
                allowed: bounds::sigmoid_tanh,
                least: Some(bounds::sigmoid_tanh_reach),
                bound: "absolute: half of tanh's own, the worse of 1e-5 and that of sinh / cosh, and 2 u",
                domain: "|x| <= 176.0; f16_native: |x| <= 20.7",
            },
            Form {
                name: "poly",
                pass: Pass::Forward {
                    reference: |x, y| of_each(reference::sigmoid, x, y),
                    kind: ForwardKind::Plain,
                },
                storages: F32_ARITHMETIC,
                allowed: bounds::sigmoid_poly,
                least: Some(bounds::sigmoid_poly_reach),
                bound: "u S (C (4 + 2|x|) + 3.5)",
                domain: EVERY_FINITE,
            },
            Form {
                name: "from_y",
                pass: Pass::Backward {
                    saved: Saved::Y,
                    reference: |saved, dy, dx| {
                        of_each_pair(reference::sigmoid_from_y, saved, dy, dx)
                    },
                },
                storages: &Storage::ALL,
                allowed: bounds::sigmoid_from_y,
                least: Some(bounds::sigmoid_from_y_reach),
                bound: "3 u |dx|",
                domain: EVERY_Y,
            },
            Form {
                name: "from_x",
                pass: Pass::Backward {
                    saved: Saved::X,
                    reference: |saved, dy, dx| {
                        of_each_pair(reference::sigmoid_from_x, saved, dy, dx)
                    },
                },
                storages: &Storage::ALL,
                allowed: bounds::sigmoid_from_x,
                least: Some(bounds::sigmoid_from_x_reach),
                bound: "u |dx| ((3 + 2|x|) tanh(|x|/2) + 10); f16_native: (1 + 2|x|)",
                domain: EVERY_FINITE,
            },
        ],
    },
];

impl Form {
    /// Whether a result is defined for every finite input that the form can be given: a saved y is one that a forward pass has written.
    #[must_use]
    pub fn is_total(&self) -> bool {
        matches!(self.domain, EVERY_FINITE | EVERY_PATTERN | EVERY_Y)
    }

    /// `least` with the u of the format in memory: where results are rounded to f16 behind f32 arithmetic, that rounding alone may take an ULP,
    /// which is at least half of u |truth|.
    #[must_use]
    pub fn least(&self, span: &Span) -> Option<Reach> {
        let least = self.least?(span);
        Some(match span.storage {
            Storage::F32 | Storage::F16Native => least,
            Storage::F16 => Reach { relative: least.relative.min(0.5), ..least },
        })
    }
}

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

    /// A forward pass, if there is one.
    #[must_use]
    pub fn forward(&self) -> Option<Pass> {
        self.forms.iter().map(|form| form.pass).find(|pass| pass.direction() == Direction::Forward)
    }
}

impl Pass {
    /// The true result for an input, in f64; `dy` is ignored forward.
    #[must_use]
    pub fn truth(&self, first: f64, dy: f64) -> f64 {
        let mut truth = [0.0];
        self.truths(&[first], &[dy], &mut truth);
        truth[0]
    }

    /// [`Self::truth`] of many inputs: slices of one length, but that `dy` may be empty forward.
    pub fn truths(&self, first: &[f64], dy: &[f64], truths: &mut [f64]) {
        match self {
            Self::Forward { reference, .. } => reference(first, truths),
            Self::Backward { reference, .. } => reference(first, dy, truths),
        }
    }

    /// Which pass of training it belongs to.
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
