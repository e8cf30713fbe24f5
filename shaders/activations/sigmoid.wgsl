// exp sees -|x| alone, so it cannot overflow and the denominator stays in [1, 2]: defined for every
// finite x.
fn sigmoid_two_sided(x: T) -> T {
    return sigmoid_of(x, exp(-abs(x)));
}

// The textbook's. Below -87.3 the denominator leaves the range in which WGSL defines division;
// below -88.7 exp overflows.
fn sigmoid_naive(x: T) -> T {
    return T(1.0) / (T(1.0) + exp(-x));
}

// Two-sided, with the product that drivers put before the hardware's exp2 written out.
fn sigmoid_exp2(x: T) -> T {
    return sigmoid_of(x, exp2(-abs(x) * T(1.4426950408889634)));
}

// One special function and no division, but an absolute error: far below 0 every digit is wrong.
fn sigmoid_tanh(x: T) -> T {
    return T(0.5) * tanh(T(0.5) * x) + T(0.5);
}

// Two-sided, with an exponential of our own: no special function but the division.
fn sigmoid_poly(x: T) -> T {
    return sigmoid_of(x, T(exp_poly(-abs(vec4<f32>(x)))));
}

// Not y - y * y, which cancels: 1 - y is exact for y >= 1/2.
fn sigmoid_from_y(saved: T, dy: T) -> T {
    return dy * (saved * (T(1.0) - saved));
}

// Computes exp again, and keeps the digits that y = 1 - (something small) has lost.
fn sigmoid_from_x(saved: T, dy: T) -> T {
    let z = exp(-abs(saved));
    let d = T(1.0) + z;
    return dy * (z / (d * d));
}

// From z = exp(-|x|).
fn sigmoid_of(x: T, z: T) -> T {
    return select(z, T(1.0), x >= T(0.0)) / (T(1.0) + z);
}

