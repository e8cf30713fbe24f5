// What a forward pass moves: one tensor in, one out, nothing between.
fn copy_plain(x: T) -> T {
    return x;
}
