//! What the default variants of activations do in f32 with NaN, infinities and near 0, and weaker
//! variants beyond their domains.

use super::evaluate::{Expression, Function, Operands};
use super::judge::Word::{Exact, Flushed, Inexact, Infinity, MinusZero, Nan, One, Other, Zero};
use super::judge::{EXACTNESS, Judge, LIMITS, NEAR_ZERO, VALUE, special};
use super::probe::{Probe, QUIET_NANS, SUBNORMALS, probe};
use crate::kernels::activation::{Activation, Direction, ForwardKind, Pass, Saved, Variant};
use crate::kernels::dtype::Dtype;
use crate::kernels::kernel::Kernel;

type Of = (&'static Activation, &'static Variant);

const INF: f64 = f64::INFINITY;

/// All by their group, in the order of the card.
pub fn all() -> Vec<(&'static str, Vec<Probe>)> {
    let computing = || Activation::all().filter(|of| of.variants.iter().any(computes_forward));
    let defaults = |direction| {
        let kernel = move |of| Kernel::default_variant(of, direction, Dtype::F32);
        computing().filter_map(kernel).map(|kernel| (kernel.activation, kernel.variant))
    };
    let forward = || defaults(Direction::Forward);
    let reads_x = |of: &Of| matches!(of.1.pass, Pass::Backward { saved: Saved::X, .. });
    let weak = computing().flat_map(|activation| {
        let is_weak = |variant: &&Variant| computes_forward(variant) && !variant.is_total();
        activation.variants.iter().filter(is_weak).map(move |variant| (activation, variant))
    });
    let at_ends =
        [INF, -INF].into_iter().flat_map(|end| forward().map(move |of| infinity(of, end)));
    let backward = defaults(Direction::Backward).filter(reads_x);
    vec![
        ("activations of NaN", forward().map(nan).collect()),
        ("activations at infinity", at_ends.collect()),
        ("activations near 0", forward().map(near_zero).collect()),
        ("gradients from x", backward.flat_map(gradients).collect()),
        ("weaker variants beyond their domains", weak.map(beyond).collect()),
    ]
}

fn computes_forward(variant: &Variant) -> bool {
    let is_raw = matches!(variant.pass, Pass::Forward { kind: ForwardKind::Raw, .. });
    variant.pass.direction() == Direction::Forward && !is_raw
}

/// About a variant, by the name of its activation.
fn about(of: Of, name: &str, what: &str, judge: Judge) -> Probe {
    let (activation, variant) = of;
    let operands = match variant.pass.direction() {
        Direction::Forward => Operands::One,
        Direction::Backward => Operands::Two,
    };
    let function = Function::Variant(activation, variant);
    let expression = Expression { operands, read: Dtype::F32, written: Dtype::F32, function };
    let name = format!("{}_{name}", activation.name);
    probe(name, format!("{}/{} {what}", activation.name, variant.name), expression, judge)
}

fn nan(of: Of) -> Probe {
    about(of, "nan", "of NaN", VALUE)
        .bits(QUIET_NANS)
        .means(Nan, "passes NaN on: a diverged network shows it")
        .means(Zero, "turns NaN into 0: a diverged network looks dead")
        .means(One, "turns NaN into 1: a diverged network looks saturated")
        .means(Other, "turns NaN into a number")
}

/// `end` is infinity or -infinity. The limit there is near the reference at the largest number.
fn infinity(of: Of, end: f64) -> Probe {
    let (name, what) =
        if end > 0.0 { ("infinity", "of infinity") } else { ("minus_infinity", "of -infinity") };
    let largest = Dtype::F32.memory().max;
    let limit = of.1.pass.reference(largest.copysign(end), 0.0);
    let limit = if limit.abs() > largest / 1e6 { INF.copysign(limit) } else { limit };
    // 0 of either sign.
    let limits = [limit, if limit == 0.0 { -limit } else { limit }];
    let mut words = limits.map(|limit| special(limit, Dtype::F32)).to_vec();
    words.dedup();
    let probe = about(of, name, what, VALUE).numbers([end]);
    let probe = words.into_iter().fold(probe, |probe, word| probe.means(word, "its limit"));
    probe.means(Nan, "turns it into NaN: clamp x first")
}

fn near_zero(of: Of) -> Probe {
    about(of, "near_zero", "of -0 and subnormals", NEAR_ZERO)
        .bits(SUBNORMALS.into_iter().chain([0x8000_0000]))
        .means(Exact, "the nearest numbers")
        .means(Flushed, "0 where the result is subnormal, as WGSL allows")
        .means(Inexact, "off by a few ULP")
}

fn gradients(of: Of) -> [Probe; 2] {
    let of_nan = about(of, "backward_nan", "of NaN", VALUE)
        .bits_and(QUIET_NANS, 1.0)
        .means(Nan, "the gradient is NaN, too")
        .means(Zero, "no gradient flows through NaN")
        .means(MinusZero, "no gradient flows through NaN")
        .means(One, "the gradient flows through NaN");
    let of_ends = about(of, "backward_infinity", "of either infinity", LIMITS)
        .pairs([[INF, 1.0], [-INF, 1.0]])
        .means(Exact, "its limits")
        .means(Nan, "NaN at one end or both: clamp x first");
    [of_nan, of_ends]
}

fn beyond(of: Of) -> Probe {
    let [lowest, highest] = of.1.domain.f32;
    let from = |end: f64| {
        let largest = Dtype::F32.memory().max.copysign(end);
        [1.25 * end, 100.0 * end, largest].into_iter().filter(move |_| end.is_finite())
    };
    about(of, &format!("{}_beyond", of.1.name), "beyond its domain", EXACTNESS)
        .numbers(from(lowest).chain(from(highest)))
        .means(Exact, "right, though WGSL does not promise it")
        .means(Inexact, "right, though WGSL does not promise it")
        .means(Nan, "NaN: use another variant")
        .means(Infinity, "infinite: use another variant")
}
