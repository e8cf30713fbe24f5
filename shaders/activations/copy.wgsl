// The yardstick of a forward pass: one tensor in, one out, nothing between.
fn copy_plain(x: T) -> T {
    return x;
}
