// x Phi(x).
fn gelu_erfc(x: T) -> T {
    let value = vec4<f32>(x);
    let tail = phi_of_minus(abs(value));
    return x * T(select(1.0 - tail, tail, value < vec4<f32>(0.0)));
}

// Phi(x) + x Phi'(x).
fn gelu_from_x(saved: T, dy: T) -> T {
    let x = clamp(vec4<f32>(saved), vec4<f32>(-15.0), vec4<f32>(15.0));
    let tail = phi_of_minus(abs(x));
    let phi = select(1.0 - tail, tail, x < vec4<f32>(0.0));
    return dy * T(phi + x * (0.3989423 * exp(-0.5 * (x * x))));
}

// Phi(-x) for x >= 0: far out, every digit of a small number.
fn phi_of_minus(x: vec4<f32>) -> vec4<f32> {
    // Beyond, it is 0 in f32, and x^2 would overflow in the end.
    return 0.5 * erfc(min(x, vec4<f32>(15.0)) * 0.70710678);
}
