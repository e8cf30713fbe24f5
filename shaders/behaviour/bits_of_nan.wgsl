fn is_nan_by_bits(x: T) -> T {
    return select(T(0.0), T(1.0), (bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u));
}
