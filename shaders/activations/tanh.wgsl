// (1 - z) / (1 + z) with z = exp(-2|x|), whose 1 - z keeps its digits near 0.
fn tanh_expm1(x: T) -> T {
    let t = T(expm1(-2.0 * abs(vec4<f32>(x))));
    let y = -t / (T(2.0) + t);
    return select(y, -y, x < T(0.0));
}

// The built-in function: an absolute error, so near 0 few digits are right. Beyond 9 it is 1.
fn tanh_clamped(x: T) -> T {
    return tanh(clamp(x, T(-9.0), T(9.0)));
}

// The same as people write it. WGSL defines it as sinh / cosh, which overflow.
fn tanh_builtin(x: T) -> T {
    return tanh(x);
}

// Not 1 - y * y, which cancels: 1 - y is exact for y >= 1/2.
fn tanh_from_y(saved: T, dy: T) -> T {
    return dy * ((T(1.0) - saved) * (T(1.0) + saved));
}

// Computes exp again, and keeps the digits that y has lost close to 1 and -1.
fn tanh_from_x(saved: T, dy: T) -> T {
    let z = exp(T(-2.0) * abs(saved));
    let d = T(1.0) + z;
    return dy * (T(4.0) * z / (d * d));
}
