// exp(x) for x <= 0, from exp(x) = 2^n exp(r) with |r| <= ln(2) / 2. ln(2) is split in two, of
// which the first has 15 bits, so that its product with n is exact. Written without fma: Mesa
// merges two of them and with them the two parts of ln(2). Within 4 u of the result, and 4 + 2|x| u
// where a compiler joins the parts.
fn exp_poly(x: vec4<f32>) -> vec4<f32> {
    // Below this the result is 0 or the smallest subnormal.
    let bounded = max(x, vec4<f32>(-103.0));
    let n = round(bounded * 1.44269502);
    let r = (bounded - n * 0.69314575) - n * 1.4286068e-6;
    // Minimax on |r| <= 0.3466, relative error 2^-28.
    var q = vec4<f32>(0.0013814540579915047);
    q = q * r + 0.00836874544620514;
    q = q * r + 0.04166838899254799;
    q = q * r + 0.1666652113199234;
    q = q * r + 0.4999999403953552;
    let p = r * r * q + r + 1.0;
    // 2^n in two factors, since 2^-149 has no exponent of its own.
    let whole = vec4<i32>(n);
    let half = whole / 2;
    return p * power_of_two(half) * power_of_two(whole - half);
}

fn power_of_two(exponent: vec4<i32>) -> vec4<f32> {
    return bitcast<vec4<f32>>((exponent + 127) << vec4<u32>(23u));
}
