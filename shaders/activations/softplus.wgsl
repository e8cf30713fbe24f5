// exp sees -|x| alone, and log1p keeps the digits of what it gets far below 0.
fn softplus_log1p(x: T) -> T {
    return max(x, T(0.0)) + T(log1p(vec4<f32>(exp(-abs(x)))));
}

// The textbook's. Far below 0 the sum loses every digit; above 88.7 exp overflows.
fn softplus_naive(x: T) -> T {
    return log(T(1.0) + exp(x));
}

// dy sigmoid(x).
fn softplus_from_x(saved: T, dy: T) -> T {
    let z = exp(-abs(saved));
    return dy * (select(z, T(1.0), saved >= T(0.0)) / (T(1.0) + z));
}
