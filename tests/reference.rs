//! The f64 reference against multiprecision values, and the properties of sigmoid that do not need
//! them.
//!
//! tests/data/reference.csv holds the f64 nearest to each true value, so an error against it may be
//! U larger than one against the reference.

use actbench::kernels::activations::sigmoid::{sigmoid, sigmoid_derivative};

/// The most that one rounding adds, relative to a normal result.
const U: f64 = f64::EPSILON / 2.0;

/// z/d or 1/d with z = exp(-|x|), d = 1 + z. exp is within 1 ULP, which is 2 U at the lower end of
/// a power of two; the result takes at most all of it. The sum and the division add U each. Over a
/// million random inputs, 2.92 U was the largest error seen.
const SIGMOID: f64 = 4.0 * U;

/// z/d². exp's 2 U arrive by the factor (1 - z) / (1 + z) = tanh(|x|/2), the sum's U twice, the
/// square's and the division's once. Seen: 4.68 U.
fn of_derivative(x: f64) -> f64 {
    (4.0 + 2.0 * (x.abs() / 2.0).tanh()) * U
}

/// Of a subnormal result: d is 1, so it is exp's, within 1 of its last place and rounded a second
/// time, compared with one rounded value. Less than 2, and a whole number.
const SUBNORMAL_STEPS: u64 = 1;

struct Row {
    x: f64,
    sigmoid: f64,
    derivative: f64,
}

fn rows() -> Vec<Row> {
    let mut lines =
        include_str!("data/reference.csv").lines().filter(|line| !line.starts_with('#'));
    assert_eq!(lines.next(), Some("x_bits,sigmoid,sigmoid_derivative"));
    let row = |line: &str| {
        let bits = |column: usize| {
            let text = line
                .split(',')
                .nth(column)
                .unwrap_or_else(|| panic!("no column {column} in {line}"));
            u64::from_str_radix(text, 16).unwrap_or_else(|error| panic!("{line}: {error}"))
        };
        let x = u32::try_from(bits(0)).expect("the bits of an f32");
        Row {
            x: f64::from(f32::from_bits(x)),
            sigmoid: f64::from_bits(bits(1)),
            derivative: f64::from_bits(bits(2)),
        }
    };
    lines.map(row).collect()
}

/// Compares a result with the f64 nearest to the true value, and says whether that is normal.
fn check(what: &str, x: f64, actual: f64, nearest: f64, bound: f64) -> bool {
    let values = format!("{what}({x:e} = {:#x}): {actual:e}, nearest {nearest:e}", x.to_bits());
    if nearest >= f64::MIN_POSITIVE {
        let error = (actual - nearest).abs() / nearest;
        assert!(error <= bound + U, "{values}: {} U, allowed {}", error / U, bound / U + 1.0);
        return true;
    }
    // Positive f64s that follow one another do so as bits.
    assert!(
        actual >= 0.0 && actual.to_bits().abs_diff(nearest.to_bits()) <= SUBNORMAL_STEPS,
        "{values}"
    );
    false
}

#[test]
fn sigmoid_and_its_derivative_agree_with_multiprecision() {
    let rows = rows();
    let (mut normal, mut normal_derivatives) = (0, 0);
    for Row { x, sigmoid: nearest, derivative } in &rows {
        normal += usize::from(check("sigmoid", *x, sigmoid(*x), *nearest, SIGMOID));
        normal_derivatives += usize::from(check(
            "sigmoid'",
            *x,
            sigmoid_derivative(*x),
            *derivative,
            of_derivative(*x),
        ));
    }
    // Both kinds are there.
    for count in [normal, normal_derivatives] {
        assert!(count > 2000 && rows.len() - count > 300, "{count} of {} are normal", rows.len());
    }
}

/// Every 1/4096 from -760, where sigmoid is 0, to 40, where it is 1. A step moves sigmoid by more
/// than its errors or by nothing.
fn grid() -> impl Iterator<Item = f64> {
    (-760 * 4096..=40 * 4096).map(|step| f64::from(step) / 4096.0)
}

#[test]
fn sigmoid_never_falls_and_stays_within_0_and_1() {
    let mut last = 0.0;
    for x in grid() {
        let y = sigmoid(x);
        assert!((0.0..=1.0).contains(&y), "sigmoid({x}) is {y:e}");
        assert!(y >= last, "sigmoid({x}) is {y:e}, less than the {last:e} before it");
        last = y;
    }
    assert_eq!((sigmoid(-760.0), sigmoid(40.0)), (0.0, 1.0));
}

#[test]
fn sigmoid_of_x_and_of_minus_x_are_1_together() {
    for x in grid() {
        // Of one z and one d: rounded d, two divisions and this sum, U each.
        let sum = sigmoid(x) + sigmoid(-x);
        assert!((sum - 1.0).abs() <= 3.0 * U, "at {x}: 1 + {:e}", sum - 1.0);
        assert_eq!(sigmoid_derivative(x), sigmoid_derivative(-x), "at {x}");
    }
}

#[test]
fn ends_and_middle_of_sigmoid_are_exact() {
    assert_eq!((sigmoid(f64::NEG_INFINITY), sigmoid(f64::INFINITY)), (0.0, 1.0));
    assert_eq!((sigmoid(0.0), sigmoid(-0.0)), (0.5, 0.5));
    assert_eq!((sigmoid(-f64::MAX), sigmoid(f64::MAX)), (0.0, 1.0));
    assert!(sigmoid(f64::NAN).is_nan() && sigmoid_derivative(f64::NAN).is_nan());
    assert_eq!(
        (sigmoid_derivative(f64::NEG_INFINITY), sigmoid_derivative(f64::INFINITY)),
        (0.0, 0.0)
    );
    assert_eq!(sigmoid_derivative(0.0), 0.25);
}
