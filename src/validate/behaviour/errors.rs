//! The questions whose answer is a number: how far functions are from the truth, on samples of their domains.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

use super::evaluate::{Case, Expression};
use super::probes::{EXP, EXP2, QUOTIENT, TANH};
use crate::kernels::dtype::Dtype;
use crate::kernels::inputs::DEFAULT_SEED;

/// A function over many inputs.
pub(super) struct Sweep {
    /// What is computed.
    pub expression: Expression,
    /// On what.
    pub inputs: fn() -> Vec<[u32; 2]>,
    /// WGSL's bound at x, in ULP.
    pub bound: fn(f64) -> f64,
    /// The numbers that are taken from it.
    pub figures: &'static [Figure],
}

/// One number.
pub(super) struct Figure {
    /// Its name in reports.
    pub name: &'static str,
    /// What it is, in a line.
    pub asks: &'static str,
    /// Which it is.
    pub of: fn(&Errors) -> f64,
    /// What it means for an activation.
    pub meaning: fn(f64) -> &'static str,
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
            let difference = (case.value() - case.truth).abs();
            let error = if difference.is_nan() { f64::INFINITY } else { difference };
            let ulps = error / case.format.memory().ulp(case.truth);
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

pub(super) static SWEEPS: &[Sweep] = &[
    Sweep {
        expression: EXP,
        // Results stay normal and finite, with room for the error.
        inputs: || of_exponential(87.3, 88.7),
        bound: exponential_bound,
        figures: &[
            Figure {
                name: "exp_max_ulp",
                asks: "largest error of exp in a sample, in ULP",
                of: |errors| errors.max_ulp,
                meaning: |ulps| {
                    if ulps <= 4.0 {
                        "exp is evaluated in its own right: sigmoid keeps its digits far below 0"
                    } else {
                        "as of 2^(x log2 e) with a rounded product: sigmoid loses digits far below 0"
                    }
                },
            },
            Figure {
                name: "exp_share_of_bound",
                asks: "its largest share of WGSL's 3 + 2|x| ULP",
                of: |errors| errors.max_share,
                meaning: exponential_meaning,
            },
            Figure {
                name: "exp_worst_x",
                asks: "where exp takes that share",
                of: |errors| errors.worst_x,
                meaning: |_| "an input to look at first when a sigmoid is off",
            },
            Figure {
                name: "exp_falls",
                asks: "how often exp falls to the next larger input",
                of: |errors| errors.falls,
                meaning: |falls| {
                    if falls == 0.0 {
                        "no neighbours in the sample are out of order"
                    } else {
                        "exp is not monotonic, so sigmoid need not be: do not rank by it within an ULP or two"
                    }
                },
            },
        ],
    },
    Sweep {
        expression: EXP2,
        inputs: || of_exponential(125.9, 127.9),
        bound: exponential_bound,
        figures: &[
            Figure {
                name: "exp2_max_ulp",
                asks: "largest error of exp2 in a sample, in ULP",
                of: |errors| errors.max_ulp,
                meaning: |ulps| {
                    if ulps <= 4.0 {
                        "what sigmoid loses by exp2 is the rounding of its argument alone"
                    } else {
                        "exp2 itself loses digits with |x|"
                    }
                },
            },
            Figure {
                name: "exp2_share_of_bound",
                asks: "its largest share of WGSL's 3 + 2|x| ULP",
                of: |errors| errors.max_share,
                meaning: exponential_meaning,
            },
            Figure {
                name: "exp2_worst_x",
                asks: "where exp2 takes that share",
                of: |errors| errors.worst_x,
                meaning: |_| "an input to look at first when a sigmoid by exp2 is off",
            },
        ],
    },
    Sweep {
        expression: QUOTIENT,
        inputs: of_division,
        bound: |_| 2.5,
        figures: &[Figure {
            name: "division_max_ulp",
            asks: "largest error of division in a sample, in ULP",
            of: |errors| errors.max_ulp,
            meaning: |ulps| {
                if ulps <= 0.5 {
                    "division is correctly rounded: sigmoid's error is exp's"
                } else if ulps <= 2.5 {
                    "division is a reciprocal and a product, or the like, within WGSL's bound"
                } else {
                    "division is beyond WGSL's bound: look at sigmoid's validation"
                }
            },
        }],
    },
    Sweep {
        expression: TANH,
        inputs: of_tanh,
        bound: |_| f64::INFINITY,
        figures: &[Figure {
            name: "tanh_max_error",
            asks: "largest absolute error of tanh, |x| <= 20",
            of: |errors| errors.max_absolute,
            meaning: |error| {
                if error <= 1e-5 {
                    "within WGSL's 1e-5; sigmoid by tanh has half of it, at every x, however small y"
                } else {
                    "beyond WGSL's 1e-5, unless sinh and cosh are worse: look at sigmoid/tanh's validation"
                }
            },
        }],
    },
];

fn exponential_bound(x: f64) -> f64 {
    3.0 + 2.0 * x.abs()
}

fn exponential_meaning(share: f64) -> &'static str {
    if share <= 1.0 {
        "within what sigmoid's own bound is made of"
    } else {
        "beyond WGSL, so a test of it alone would fail here: sigmoid is judged by its own bound"
    }
}

/// Rising x over the exponents of both signs, down to `-lowest` and up to `highest`; then every 47th number in (-1, -1/64], where exp takes
/// most of its bound, and sigmoid is used most. 47 is odd and divides no run of digits.
fn of_exponential(lowest: f32, highest: f32) -> Vec<[u32; 2]> {
    let negative = |bits: u32| bits | 0x8000_0000;
    let dense = (2f32.powi(-6).to_bits()..1f32.to_bits()).step_by(47).map(negative);
    runs(lowest)
        .into_iter()
        .rev()
        .map(negative)
        .chain(runs(highest))
        .chain(dense)
        .map(|bits| [bits, 0])
        .collect()
}

fn of_tanh() -> Vec<[u32; 2]> {
    let negative = runs(20.0).into_iter().rev().map(|bits| bits | 0x8000_0000);
    negative.chain(runs(20.0)).map(|bits| [bits, 0]).collect()
}

/// 2^18 positive numbers from 2^-30 to below `highest`, in rising order: 2^14 runs of 16 neighbours, spread evenly over bit patterns.
fn runs(highest: f32) -> Vec<u32> {
    const RUNS: u32 = 1 << 14;
    const LENGTH: u32 = 16;
    let lowest = 2f32.powi(-30).to_bits();
    let stride = (highest.to_bits() - lowest) / RUNS;
    (0..RUNS).flat_map(|run| (0..LENGTH).map(move |step| lowest + run * stride + step)).collect()
}

/// Random operands of either sign whose quotients are normal, and 1 over numbers in [1, 2], as in sigmoid.
fn of_division() -> Vec<[u32; 2]> {
    const COUNT: u32 = 1 << 18;
    let mut random = Xoshiro256PlusPlus::seed_from_u64(DEFAULT_SEED);
    let mut operand = move || {
        let word = random.next_u32();
        let exponent = 127 - 60 + (word >> 23 & 0xff) * 120 / 255;
        word & 0x807f_ffff | exponent << 23
    };
    let random = (0..COUNT).map(|_| [operand(), operand()]).collect::<Vec<_>>();
    let sigmoids = (0..=COUNT)
        .map(|step| [1f32.to_bits(), Dtype::F32.bits(1.0 + f64::from(step) / f64::from(COUNT))]);
    random.into_iter().chain(sigmoids).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(results: &[(f32, f64, f32)]) -> Vec<Case> {
        let case = |(x, truth, result): &(f32, f64, f32)| Case {
            operands: [x.to_bits(), 0],
            values: [f64::from(*x), 0.0],
            truth: *truth,
            result: result.to_bits(),
            format: Dtype::F32,
        };
        results.iter().map(case).collect()
    }

    #[test]
    fn errors_are_the_largest_of_their_kind() {
        let unit = f64::from(f32::EPSILON);
        let found = Errors::of(
            &cases(&[
                (-1.0, 0.5 + 1.25 * unit, 0.5),
                // More ULP, but a smaller share of the bound.
                (-10.0, 1.0 + 4.0 * unit, 1.0),
                (2.0, 4.0, 4.0),
            ]),
            exponential_bound,
        );
        assert_eq!(found.max_ulp, 4.0);
        assert_eq!(found.max_share, 2.5 / 5.0);
        assert_eq!(found.worst_x, -1.0);
        assert_eq!(found.max_absolute, 4.0 * unit);
        assert_eq!(found.falls, 0.0);
    }

    #[test]
    fn a_fall_is_a_smaller_result_of_a_larger_input() {
        let sample = cases(&[
            (1.0, 1.0, 1.0),
            (2.0, 1.0, 0.5),
            (3.0, 1.0, 0.5),
            (0.0, 1.0, 0.25),
            (1.0, 1.0, 0.0),
        ]);
        assert_eq!(Errors::of(&sample, |_| 1.0).falls, 2.0);
    }

    #[test]
    fn what_is_no_number_has_an_infinite_error() {
        for result in [f32::NAN, f32::INFINITY] {
            let found = Errors::of(&cases(&[(1.0, 1.0, 1.0), (2.0, 1.0, result)]), |_| 1.0);
            assert_eq!(
                (found.max_ulp, found.max_share, found.worst_x),
                (f64::INFINITY, f64::INFINITY, 2.0)
            );
        }
    }

    #[test]
    fn samples_stay_where_results_are_normal_and_bounds_hold() {
        for sweep in SWEEPS {
            let inputs = (sweep.inputs)();
            assert!(inputs.len() >= 1 << 19);
            for input in inputs {
                let case = sweep.expression.case(input, 0);
                let function = sweep.expression.function;
                let smallest =
                    if function == "tanh_of" { 0.0 } else { Dtype::F32.memory().min_normal };
                assert!(
                    (smallest..Dtype::F32.memory().max).contains(&case.truth.abs()),
                    "{function}: {case:?}"
                );
                let divisor = case.values[1].abs();
                assert!(
                    function != "quotient" || (2f64.powi(-126)..2f64.powi(126)).contains(&divisor),
                    "{case:?}"
                );
            }
        }
    }

    #[test]
    fn a_perfect_device_has_half_a_ulp() {
        for sweep in SWEEPS {
            let perfect = |input: &[u32; 2]| {
                let case = sweep.expression.case(*input, 0);
                Case { result: Dtype::F32.bits(case.truth), ..case }
            };
            let cases: Vec<_> = (sweep.inputs)().iter().map(perfect).collect();
            let found = Errors::of(&cases, sweep.bound);
            assert!(
                found.max_ulp <= 0.5 && found.max_ulp > 0.499,
                "{}: {found:?}",
                sweep.expression.function
            );
            // Operands of the division are not in order.
            assert!(found.falls == 0.0 || sweep.expression.function == "quotient");
        }
    }
}
