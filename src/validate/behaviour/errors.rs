//! The questions whose answer is a number: errors of functions on samples of their domains.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

use super::evaluate::{Case, Expression};
use super::judge::{Answer, Value, Word};
use super::probe::{EXP, EXP2, QUOTIENT, TANH};
use crate::kernels::dtype::Dtype;
use crate::kernels::inputs::DEFAULT_SEED;

/// A function over many inputs.
pub(super) struct Sweep {
    pub expression: Expression,
    pub inputs: Vec<[u32; 2]>,
    /// WGSL's bound at x, in ULP.
    pub bound: fn(f64) -> f64,
    /// The numbers that are taken from it.
    pub figures: Vec<Figure>,
}

/// One number.
pub(super) struct Figure {
    pub name: &'static str,
    /// What it is, in a line.
    pub question: &'static str,
    of: fn(&Errors) -> f64,
    /// What a number up to each limit means.
    meanings: Vec<(f64, &'static str)>,
    /// Whether the x of the largest share belongs to the answer.
    shows_worst_x: bool,
}

fn figure(name: &'static str, question: &'static str, of: fn(&Errors) -> f64) -> Figure {
    Figure { name, question, of, meanings: Vec::new(), shows_worst_x: false }
}

impl Figure {
    fn up_to(mut self, limit: f64, meaning: &'static str) -> Self {
        self.meanings.push((limit, meaning));
        self
    }

    fn at_worst_x(self) -> Self {
        Self { shows_worst_x: true, ..self }
    }

    fn beyond(self, meaning: &'static str) -> Self {
        self.up_to(f64::INFINITY, meaning)
    }

    pub fn answer(&self, errors: &Errors) -> Answer {
        let number = (self.of)(errors);
        let evidence = format!("at x = {:e}", errors.worst_x);
        if !number.is_finite() {
            let meaning = "NaN or infinity within the domain";
            return Answer::new(Value::Word(Word::NotFinite), meaning, Some(evidence));
        }
        let meaning = self.meanings.iter().find(|(limit, _)| number <= *limit);
        let (_, meaning) = meaning.expect("the last limit is infinite");
        Answer::new(Value::Number(number), meaning, self.shows_worst_x.then_some(evidence))
    }
}

/// What a sweep found. An error is infinite where a result is no number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Errors {
    pub max_ulp: f64,
    /// The largest share of the bound, and the first operand where it was found.
    pub max_share: f64,
    pub worst_x: f64,
    pub max_absolute: f64,
    /// How often the result falls from one input to the next larger one.
    pub falls: f64,
}

impl Errors {
    pub fn of(cases: &[Case], bound: fn(f64) -> f64) -> Self {
        let mut errors = Self::default();
        for case in cases {
            let error = if case.error().is_nan() { f64::INFINITY } else { case.error() };
            let ulps = case.dtype.memory().ulps(error, case.reference);
            let share = ulps / bound(case.values[0]);
            errors.max_absolute = errors.max_absolute.max(error);
            errors.max_ulp = errors.max_ulp.max(ulps);
            if share > errors.max_share {
                (errors.max_share, errors.worst_x) = (share, case.values[0]);
            }
        }
        for pair in cases.windows(2) {
            if pair[0].values[0] < pair[1].values[0] && pair[1].value() < pair[0].value() {
                errors.falls += 1.0;
            }
        }
        errors
    }
}

pub(super) fn sweeps() -> Vec<Sweep> {
    let exponential_bound = |x: f64| 3.0 + 2.0 * x.abs();
    let share = |name| {
        figure(name, "largest share of WGSL's 3 + 2|x| ULP", |errors| errors.max_share)
            .at_worst_x()
            .up_to(1.0, "within what sigmoid's bound assumes")
            .beyond("exceeds WGSL's bound; sigmoid is judged by its own bound")
    };
    let exp = vec![
        figure("exp_max_ulp", "largest error of exp, in ULP", |errors| errors.max_ulp)
            .up_to(4.0, "exp has no rounded argument: sigmoid keeps its digits for x << 0")
            .beyond("like 2^(x log2 e) with a rounded product: sigmoid loses digits for x << 0"),
        share("exp_share_of_bound"),
        figure("exp_falls", "how often exp falls at the next larger x", |errors| errors.falls)
            .up_to(0.0, "monotonic in the sample")
            .beyond("exp is not monotonic: sigmoids that differ by 1 or 2 ULP have no order"),
    ];
    let exp2 = vec![
        figure("exp2_max_ulp", "largest error of exp2, in ULP", |errors| errors.max_ulp)
            .up_to(4.0, "sigmoid/exp2 loses only the rounding of its argument")
            .beyond("exp2 itself loses digits with |x|"),
        share("exp2_share_of_bound"),
    ];
    let division = vec![
        figure("division_max_ulp", "largest error of division, in ULP", |errors| errors.max_ulp)
            .up_to(0.5, "division rounds correctly: sigmoid's error is that of exp")
            .up_to(2.5, "like a reciprocal and a product, within WGSL's bound")
            .beyond("exceeds WGSL's bound: check sigmoid's validation"),
    ];
    let tanh = vec![
        figure("tanh_max_error", "largest absolute error of tanh, |x| <= 20", |errors| {
            errors.max_absolute
        })
        .up_to(1e-5, "within WGSL's 1e-5; sigmoid/tanh has half of it at every x")
        .beyond("exceeds 1e-5, which WGSL allows only by sinh / cosh: check sigmoid/tanh"),
    ];
    let sweep = |expression, inputs, bound, figures| Sweep { expression, inputs, bound, figures };
    vec![
        // Results stay normal and finite, with room for the error.
        sweep(EXP, of_exponential(87.3, 88.7), exponential_bound, exp),
        sweep(EXP2, of_exponential(125.9, 127.9), exponential_bound, exp2),
        sweep(QUOTIENT, of_division(), |_| 2.5, division),
        sweep(TANH, of_tanh(), |_| f64::INFINITY, tanh),
    ]
}

const SIGN: u32 = 0x8000_0000;

/// Rising x from `-lowest` to `highest`; then every 47th number in (-1, -1/64], where exp takes
/// most of its bound and sigmoid is used most. 47 is odd and divides no run of digits.
fn of_exponential(lowest: f32, highest: f32) -> Vec<[u32; 2]> {
    let dense = (2f32.powi(-6).to_bits()..1f32.to_bits()).step_by(47).map(|bits| bits | SIGN);
    rising(lowest, highest).chain(dense).map(|bits| [bits, 0]).collect()
}

fn of_tanh() -> Vec<[u32; 2]> {
    rising(20.0, 20.0).map(|bits| [bits, 0]).collect()
}

/// Rising x from `-lowest` to `highest`.
fn rising(lowest: f32, highest: f32) -> impl Iterator<Item = u32> {
    runs(lowest).into_iter().rev().map(|bits| bits | SIGN).chain(runs(highest))
}

/// 2^18 positive numbers from 2^-30 to below `highest`, rising: 2^14 runs of 16 neighbours, spread
/// evenly over bit patterns.
fn runs(highest: f32) -> Vec<u32> {
    const RUNS: u32 = 1 << 14;
    const LENGTH: u32 = 16;
    let lowest = 2f32.powi(-30).to_bits();
    let stride = (highest.to_bits() - lowest) / RUNS;
    (0..RUNS).flat_map(|run| (0..LENGTH).map(move |step| lowest + run * stride + step)).collect()
}

/// Random operands of either sign whose quotients are normal, and 1 over numbers in [1, 2], as in
/// sigmoid.
fn of_division() -> Vec<[u32; 2]> {
    const COUNT: u32 = 1 << 18;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(DEFAULT_SEED);
    let mut operand = move || {
        let word = random.next_u32();
        let exponent = 127 - 60 + (word >> 23 & 0xff) * 120 / 255;
        word & 0x807f_ffff | exponent << 23
    };
    let random = (0..COUNT).map(|_| [operand(), operand()]).collect::<Vec<_>>();
    let denominator = |step| Dtype::F32.bits(1.0 + f64::from(step) / f64::from(COUNT));
    let sigmoids = (0..=COUNT).map(|step| [1f32.to_bits(), denominator(step)]);
    random.into_iter().chain(sigmoids).collect()
}
