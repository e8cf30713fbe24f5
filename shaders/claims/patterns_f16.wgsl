// The f16 of a bit pattern in the low half, and what f16 memory would hold of a value, as f32.
// Through pack and unpack, since naga 30 can't view an integer as f16; both are exact where the
// arithmetic is f16 itself.
fn of_pattern(pattern: vec4<u32>) -> T {
    return T(vec4<f32>(
        unpack2x16float(pattern.x).x,
        unpack2x16float(pattern.y).x,
        unpack2x16float(pattern.z).x,
        unpack2x16float(pattern.w).x,
    ));
}

fn as_stored(value: T) -> vec4<f32> {
    let wide = vec4<f32>(value);
    return vec4<f32>(unpack2x16float(pack2x16float(wide.xy)), unpack2x16float(pack2x16float(wide.zw)));
}
