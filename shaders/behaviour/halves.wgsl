// Conversions between f16 and f32 as in dtypes/f16.wgsl, over tensors of bits.

// f32 from the f16 in the low half of each element, by turns as lower and upper half of a pair.
fn unpacked(x: T) -> T {
    return bitcast<T>(vec4<f32>(
        unpack2x16float(x.x).x,
        unpack2x16float(x.y << 16u).y,
        unpack2x16float(x.z).x,
        unpack2x16float(x.w << 16u).y,
    ));
}

// Two neighbours, the first in the lower half, at the place of the first.
fn packed(x: T) -> T {
    let values = bitcast<vec4<f32>>(x);
    return T(pack2x16float(values.xy), 0u, pack2x16float(values.zw), 0u);
}
