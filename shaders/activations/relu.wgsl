fn relu_plain(x: T) -> T {
    return max(x, T(0.0));
}

// The gradient at 0 is 0. A select, not a product with a mask: inf * 0 would be NaN, and a product
// may flush a subnormal dy.
fn relu_from_y(saved: T, dy: T) -> T {
    return select(T(0.0), dy, saved > T(0.0));
}

fn relu_from_x(saved: T, dy: T) -> T {
    return relu_from_y(saved, dy);
}

// The bits that a forward pass keeps, and the backward pass for which the driver makes 1 and 0 of
// them.
fn relu_with_mask(x: T) -> T {
    return relu_plain(x);
}

fn relu_with_mask_bits(x: T) -> vec4<bool> {
    return x > T(0.0);
}

fn relu_from_mask(saved: T, dy: T) -> T {
    return relu_from_y(saved, dy);
}
