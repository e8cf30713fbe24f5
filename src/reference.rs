//! The CPU twins of the WGSL functions, in f64.
//!
//! exp is libm's: within 1 ULP of f64 and the same on every platform, where the standard library's follows the system.

use libm::exp;

/// Below this, sigmoid and its derivative are in f64 what they are at 0.
const TINY: f64 = 5.5e-17;

/// y = x.
#[must_use]
pub fn copy(x: f64) -> f64 {
    x
}

/// dx = saved + dy.
#[must_use]
pub fn add(saved: f64, dy: f64) -> f64 {
    saved + dy
}

/// y = max(x, 0), and NaN for NaN.
#[must_use]
pub fn relu(x: f64) -> f64 {
    if x <= 0.0 { 0.0 } else { x }
}

/// dx = dy where the saved tensor (x or y, it is the same) is positive, else 0.
#[must_use]
pub fn relu_backward(saved: f64, dy: f64) -> f64 {
    if saved > 0.0 { dy } else { 0.0 }
}

/// y = 1 / (1 + exp(-x)), two-sided: relative error within 4 * 2^-53 for results that are normal in f64 (exp's 2 at most, a sum, a division; the
/// largest seen is 2.92).
#[must_use]
pub fn sigmoid(x: f64) -> f64 {
    // Where 1 + z rounds to 1, without the exponential; most bit patterns are there, or so near 0 that the result is 1/2.
    if x > 37.0 {
        return 1.0;
    }
    if x.abs() < TINY {
        return 0.5;
    }
    let z = exp(-x.abs());
    if x >= 0.0 { 1.0 / (1.0 + z) } else { z / (1.0 + z) }
}

/// sigmoid'(x) = sigmoid(x) sigmoid(-x), without the cancellation of y (1 - y).
#[must_use]
pub fn sigmoid_derivative(x: f64) -> f64 {
    if x.abs() < TINY {
        return 0.25;
    }
    let z = exp(-x.abs());
    z / ((1.0 + z) * (1.0 + z))
}

/// dx = dy y (1 - y), for the y that was stored. 1 - y is exact in f64 for every f32 and f16 in [2^-29, 1].
#[must_use]
pub fn sigmoid_from_y(saved: f64, dy: f64) -> f64 {
    dy * (saved * (1.0 - saved))
}

/// dx = dy sigmoid'(x).
#[must_use]
pub fn sigmoid_from_x(saved: f64, dy: f64) -> f64 {
    dy * sigmoid_derivative(saved)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central difference with Richardson's extrapolation: error O(h^4).
    fn slope(f: impl Fn(f64) -> f64, x: f64) -> f64 {
        let h = 1.0 / 1024.0;
        let d = |h: f64| (f(x + h) - f(x - h)) / (2.0 * h);
        (4.0 * d(h / 2.0) - d(h)) / 3.0
    }

    #[test]
    fn derivatives_agree_with_central_differences_of_their_forwards() {
        for step in -400..=400i32 {
            // Binary fractions: the differences of ReLU are exact.
            let x = f64::from(step) / 16.0 + 1.0 / 64.0;
            for dy in [1.0, -0.75, 3.5] {
                let expected = dy * slope(sigmoid, x);
                let from_x = dy * sigmoid_derivative(x);
                assert!((from_x - expected).abs() < 1e-11, "sigmoid'({x}): {from_x}, slope {expected}");
                let from_y = sigmoid_from_y(sigmoid(x), dy);
                assert!((from_y - expected).abs() < 1e-11, "from y at {x}: {from_y}, slope {expected}");
                let relu_slope = dy * slope(relu, x);
                assert!((relu_backward(x, dy) - relu_slope).abs() < 1e-11, "relu' at {x}");
                assert_eq!(relu_backward(x, dy), relu_backward(relu(x), dy), "from x and from y differ at {x}");
            }
        }
    }

    #[test]
    fn shortcuts_change_no_bit() {
        let slow = |x: f64| {
            let z = exp(-x.abs());
            (if x >= 0.0 { 1.0 / (1.0 + z) } else { z / (1.0 + z) }, z / ((1.0 + z) * (1.0 + z)))
        };
        for step in 0..2000 {
            let step = f64::from(step);
            for x in [36.5 + step * 1e-3, 37.0 + step * 0.1, TINY * step * 1e-3, 4e38] {
                for x in [x, -x] {
                    assert_eq!((sigmoid(x), sigmoid_derivative(x)), slow(x), "{x:e}");
                }
            }
        }
    }

    #[test]
    fn at_zero_the_gradient_of_relu_is_zero_and_that_of_sigmoid_a_quarter() {
        for zero in [0.0, -0.0] {
            assert_eq!(relu_backward(zero, 2.0), 0.0);
            assert_eq!(sigmoid(zero), 0.5);
            assert_eq!(sigmoid_derivative(zero), 0.25);
        }
    }
}
