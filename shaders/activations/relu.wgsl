fn relu_plain(x: T) -> T {
    return max(x, T(0.0));
}

// The gradient at 0 is 0. A select, not a product with a mask: inf * 0 would be NaN, and a product may flush a subnormal dy.
fn relu_from_y(saved: T, dy: T) -> T {
    return select(T(0.0), dy, saved > T(0.0));
}
