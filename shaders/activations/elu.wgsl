fn elu_expm1(x: T) -> T {
    return select(T(expm1(min(vec4<f32>(x), vec4<f32>(0.0)))), x, x > T(0.0));
}

// The textbook's. Near 0 the subtraction cancels.
fn elu_exp(x: T) -> T {
    return select(exp(min(x, T(0.0))) - T(1.0), x, x > T(0.0));
}

// exp(x) is y + 1.
fn elu_from_y(saved: T, dy: T) -> T {
    return dy * (min(saved, T(0.0)) + T(1.0));
}

fn elu_from_x(saved: T, dy: T) -> T {
    return dy * exp(min(saved, T(0.0)));
}
