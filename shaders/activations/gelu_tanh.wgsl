// x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)), which is the same as with tanh, but keeps its digits
// far below 0.
fn gelu_tanh_two_sided(x: T) -> T {
    let z = exp(-abs(gelu_tanh_exponent(gelu_tanh_clamped(x))));
    return x * (select(z, T(1.0), x >= T(0.0)) / (T(1.0) + z));
}

// The textbook's. tanh's absolute error is all there is far below 0; WGSL's tanh overflows.
fn gelu_tanh_tanh(x: T) -> T {
    return T(0.5) * x * (T(1.0) + tanh(T(0.5) * gelu_tanh_exponent(x)));
}

// sigmoid(w) (1 + x w' sigmoid(-w)).
fn gelu_tanh_from_x(saved: T, dy: T) -> T {
    let x = gelu_tanh_clamped(saved);
    let z = exp(-abs(gelu_tanh_exponent(x)));
    let d = T(1.0) + z;
    let is_positive = x >= T(0.0);
    let s = select(z, T(1.0), is_positive) / d;
    let c = select(T(1.0), z, is_positive) / d;
    let slope = T(1.5957691) * (x + T(0.134145) * x * x * x);
    return dy * (s * (T(1.0) + slope * c));
}

// Beyond, the result is 0 or x to the last bit, and in the end the cube overflows.
fn gelu_tanh_clamped(x: T) -> T {
    return clamp(x, T(-13.0), T(13.0));
}

fn gelu_tanh_exponent(x: T) -> T {
    return T(1.5957691) * (x + T(0.044715) * x * x * x);
}
