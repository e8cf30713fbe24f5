// Conversions between f16 and f32 as they stand in f16.wgsl, over tensors of bits.

// f32 from the f16 in the low half of each element; by turns through the lower and the upper half of the pair.
fn unpacked(x: T) -> T {
    return bitcast<T>(vec4<f32>(
        unpack2x16float(x.x).x,
        unpack2x16float(x.y << 16u).y,
        unpack2x16float(x.z).x,
        unpack2x16float(x.w << 16u).y,
    ));
}

// Two neighbours, lower half first, in the place of the first of them.
fn packed(x: T) -> T {
    let values = bitcast<vec4<f32>>(x);
    return T(pack2x16float(values.xy), 0u, pack2x16float(values.zw), 0u);
}
