// exp(x) - 1 for x <= 0, from exp(x) = 2^n exp(r) with |r| <= ln(2) / 2: 2^n (exp(r) - 1) and
// 2^n - 1 have no digits in common to lose. Within 8 u of the result, in any order of the sums.
fn expm1(x: vec4<f32>) -> vec4<f32> {
    // Below this the result is -1 to the last bit.
    let bounded = max(x, vec4<f32>(-40.0));
    let n = round(bounded * 1.44269502);
    let r = (bounded - n * 0.69314575) - n * 1.4286068e-6;
    // Minimax on |r| <= 0.3467, relative error 2^-26.
    var q = vec4<f32>(0.001394647522829473);
    q = q * r + 0.008366601541638374;
    q = q * r + 0.04166628047823906;
    q = q * r + 0.1666654348373413;
    q = q * r + 0.5;
    let p = r + r * r * q;
    let scale = bitcast<vec4<f32>>((vec4<i32>(n) + 127) << vec4<u32>(23u));
    // A compiler may sum in another order, and would lose p beside 1.
    return select(scale * p + (scale - 1.0), p, n == vec4<f32>(0.0));
}
