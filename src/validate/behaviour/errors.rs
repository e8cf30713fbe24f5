//! The probes whose answer is a number: errors of functions on samples of their domains.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

use super::evaluate::Case;
use super::judge::Judge;
use super::probe::{EXP, EXP2, Probe, QUOTIENT, TANH, probe};
use crate::kernels::dtype::Dtype;
use crate::kernels::inputs::DEFAULT_SEED;

pub fn errors() -> Vec<Probe> {
    let ulps = Judge::Largest { error: Case::ulps, shows_x: false };
    let absolute = Judge::Largest { error: Case::error, shows_x: false };
    let share = |case: &Case| case.ulps() / (3.0 + 2.0 * case.values[0].abs());
    let share = Judge::Largest { error: share, shows_x: true };
    let of_share = "largest share of WGSL's 3 + 2|x| ULP";
    let within = "within what sigmoid's bound assumes";
    let exceeds = "exceeds WGSL's bound; sigmoid is judged by its own bound";
    // Results stay normal and finite, with room for the error.
    let exp = || of_exponential(87.3, 88.7);
    let exp2 = || of_exponential(125.9, 127.9);
    vec![
        probe("exp_max_ulp", "largest error of exp, in ULP", EXP, ulps)
            .over(exp())
            .up_to(4.0, "exp has no rounded argument: sigmoid keeps its digits for x << 0")
            .beyond("like 2^(x log2 e) with a rounded product: sigmoid loses digits for x << 0"),
        probe("exp_share_of_bound", of_share, EXP, share)
            .over(exp())
            .up_to(1.0, within)
            .beyond(exceeds),
        probe("exp_falls", "how often exp falls at the next larger x", EXP, Judge::Falls)
            .over(exp())
            .up_to(0.0, "monotonic in the sample")
            .beyond("exp is not monotonic: sigmoids that differ by 1 or 2 ULP have no order"),
        probe("exp2_max_ulp", "largest error of exp2, in ULP", EXP2, ulps)
            .over(exp2())
            .up_to(4.0, "sigmoid/exp2 loses only the rounding of its argument")
            .beyond("exp2 itself loses digits with |x|"),
        probe("exp2_share_of_bound", of_share, EXP2, share)
            .over(exp2())
            .up_to(1.0, within)
            .beyond(exceeds),
        probe("division_max_ulp", "largest error of division, in ULP", QUOTIENT, ulps)
            .over(of_division())
            .up_to(0.5, "division rounds correctly: sigmoid's error is that of exp")
            .up_to(2.5, "like a reciprocal and a product, within WGSL's bound")
            .beyond("exceeds WGSL's bound: check sigmoid's validation"),
        probe("tanh_max_error", "largest absolute error of tanh, |x| <= 20", TANH, absolute)
            .over(rising(20.0, 20.0))
            .up_to(1e-5, "within WGSL's 1e-5; sigmoid/tanh has half of it at every x")
            .beyond("exceeds 1e-5, which WGSL allows only by sinh / cosh: check sigmoid/tanh"),
    ]
}

const SIGN: u32 = 0x8000_0000;

/// Rising x from `-lowest` to `highest`; then every 47th number in (-1, -1/64], where exp takes
/// most of its bound and sigmoid is used most. 47 is odd and divides no run of digits.
fn of_exponential(lowest: f32, highest: f32) -> Vec<[u32; 2]> {
    let dense = (2f32.powi(-6).to_bits()..1f32.to_bits()).step_by(47);
    let mut inputs = rising(lowest, highest);
    inputs.extend(dense.map(|bits| [bits | SIGN, 0]));
    inputs
}

/// Rising x from `-lowest` to `highest`.
fn rising(lowest: f32, highest: f32) -> Vec<[u32; 2]> {
    let negative = runs(lowest).into_iter().rev().map(|bits| bits | SIGN);
    negative.chain(runs(highest)).map(|bits| [bits, 0]).collect()
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
