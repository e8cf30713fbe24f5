// exp sees -|x| alone, so it cannot overflow and the denominator stays in [1, 2]: defined for every finite x.
fn sigmoid_two_sided(x: T) -> T {
    let z = exp(-abs(x));
    return select(z, T(1.0), x >= T(0.0)) / (T(1.0) + z);
}

// Not y - y * y, which cancels: 1 - y is exact for y >= 1/2.
fn sigmoid_from_y(saved: T, dy: T) -> T {
    return dy * (saved * (T(1.0) - saved));
}
