// The f32 of a bit pattern, and what f32 memory would hold of a value.
fn of_pattern(pattern: vec4<u32>) -> T {
    return bitcast<T>(pattern);
}

fn as_stored(value: T) -> vec4<f32> {
    return value;
}
