//! What an activation is: its variants in WGSL, each with its CPU reference and what it may be off
//! by. The activations themselves are in [`crate::kernels::activations`].

use crate::kernels::dtype::Dtype;
use crate::kernels::tolerance::{self, Allowed, Case, Domain, FormulaError, Tolerance};

/// An elementwise function of a tensor, with its derivative.
#[derive(Debug)]
pub struct Activation {
    /// The name in ids, on the command line, and the first part of its WGSL functions.
    pub name: &'static str,
    /// The functions of its variants.
    pub wgsl: &'static str,
    /// The smallest and the largest y there is.
    pub y: [f64; 2],
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
    /// The dtypes it is written for.
    pub dtypes: &'static [Dtype],
    /// How far WGSL lets it be off.
    pub error: FormulaError,
    /// `error` in a line, in the symbols of METHODOLOGY.md.
    pub bound: &'static str,
    /// The inputs for which WGSL defines a result. A saved y is one that a forward pass wrote.
    pub domain: Domain,
    /// The steps of its chain in registers; none where another variant has the same.
    pub steps: Option<Steps>,
}

/// Steps v = fma(f(v), factor, x). Factor and range are chosen so that v stays in the domain of f,
/// that |factor f'(v)| stays below 3/4, so that errors die out, and that values differ from lane to
/// lane.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// What f's result is multiplied with.
    pub factor: f32,
    /// The range of x, which is also where v starts. Backward, v is what was saved and x is dy.
    pub range: [f64; 2],
}

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

impl Variant {
    /// y from x, in every dtype and for every finite x.
    pub const fn forward(
        name: &'static str,
        reference: ForwardReference,
        tolerance: fn(&Case) -> Tolerance,
        bound: &'static str,
        steps: Steps,
    ) -> Self {
        Self {
            name,
            pass: Pass::Forward { reference, kind: ForwardKind::Plain },
            dtypes: &Dtype::ALL,
            error: FormulaError::Within(tolerance),
            bound,
            domain: Domain::ALL,
            steps: Some(steps),
        }
    }

    /// dx from a saved tensor and dy, likewise.
    pub const fn backward(
        name: &'static str,
        saved: Saved,
        reference: BackwardReference,
        tolerance: fn(&Case) -> Tolerance,
        bound: &'static str,
        steps: Steps,
    ) -> Self {
        Self {
            name,
            pass: Pass::Backward { saved, reference },
            dtypes: &Dtype::ALL,
            error: FormulaError::Within(tolerance),
            bound,
            domain: Domain::ALL,
            steps: Some(steps),
        }
    }

    /// What is right for an input.
    #[inline]
    pub fn allowed(&self, case: &Case) -> Allowed {
        tolerance::allowed(&self.error, &self.domain, case)
    }

    /// How far a result may be off that no step flushes.
    #[inline]
    pub fn tolerance(&self, case: &Case) -> Tolerance {
        match self.error {
            FormulaError::Bits | FormulaError::OneOf(_) => Tolerance::units(case, 0.0),
            FormulaError::Within(tolerance) => tolerance(case),
        }
    }

    /// Whether every finite input has a defined result, or every y that a forward pass writes.
    pub fn is_total(&self) -> bool {
        let saves_y = matches!(self.pass, Pass::Backward { saved: Saved::Y, .. });
        saves_y || self.domain == Domain::ALL
    }

    /// Its domain in words.
    pub fn domain(&self) -> String {
        match self.error {
            FormulaError::Bits => "every bit pattern".to_owned(),
            _ => self.domain.describe(self.dtypes.contains(&Dtype::F16Native)),
        }
    }
}

impl Activation {
    /// A variant that is known to be there: the names of one activation differ.
    pub fn variant(&self, name: &str) -> &'static Variant {
        self.variants.iter().find(|variant| variant.name == name).expect("a variant")
    }

    /// The y nearest to `value`.
    pub fn clamp_y(&self, value: f64) -> f64 {
        value.clamp(self.y[0], self.y[1])
    }

    /// Whether it has that pass.
    pub fn has(&self, direction: Direction) -> bool {
        self.variants.iter().any(|variant| variant.pass.direction() == direction)
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
