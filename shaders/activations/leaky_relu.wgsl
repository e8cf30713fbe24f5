fn leaky_relu_plain(x: T) -> T {
    return select(T(0.01) * x, x, x > T(0.0));
}

// y has the sign of x.
fn leaky_relu_from_y(saved: T, dy: T) -> T {
    return select(T(0.01) * dy, dy, saved > T(0.0));
}

fn leaky_relu_from_x(saved: T, dy: T) -> T {
    return leaky_relu_from_y(saved, dy);
}
