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

// exp(x) for x <= 0, from exp(x) = 2^n exp(r) with |r| <= ln(2) / 2. ln(2) is split in two, of
// which the first has 15 bits, so that its product with n is exact. Written without fma: Mesa
// merges two of them and with them the two parts of ln(2).
fn exp_poly(x: vec4<f32>) -> vec4<f32> {
    // Below this the result is 0 or the smallest subnormal.
    let bounded = max(x, vec4<f32>(-103.0));
    let n = round(bounded * 1.44269502);
    let r = (bounded - n * 0.69314575) - n * 1.4286068e-6;
    // Minimax on |r| <= 0.3466, relative error 2^-28.
    var q = vec4<f32>(0.0013814540579915047);
    q = q * r + 0.00836874544620514;
    q = q * r + 0.04166838899254799;
    q = q * r + 0.1666652113199234;
    q = q * r + 0.4999999403953552;
    let p = r * r * q + r + 1.0;
    // 2^n in two factors, since 2^-149 has no exponent of its own.
    let whole = vec4<i32>(n);
    let half = whole / 2;
    return p * power_of_two(half) * power_of_two(whole - half);
}

fn power_of_two(exponent: vec4<i32>) -> vec4<f32> {
    return bitcast<vec4<f32>>((exponent + 127) << vec4<u32>(23u));
}
