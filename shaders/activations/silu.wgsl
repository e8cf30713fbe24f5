// exp sees -|x| alone, so that nothing overflows.
fn silu_two_sided(x: T) -> T {
    let z = exp(-abs(x));
    return x * (select(z, T(1.0), x >= T(0.0)) / (T(1.0) + z));
}

// The textbook's. Below -87.3 the denominator leaves the range in which WGSL defines division.
fn silu_naive(x: T) -> T {
    return x / (T(1.0) + exp(-x));
}

// sigmoid(x) (1 + x sigmoid(-x)).
fn silu_from_x(saved: T, dy: T) -> T {
    let z = exp(-abs(saved));
    let d = T(1.0) + z;
    let is_positive = saved >= T(0.0);
    let s = select(z, T(1.0), is_positive) / d;
    let c = select(T(1.0), z, is_positive) / d;
    return dy * (s * (T(1.0) + saved * c));
}
