// 1 - erf(t) for t >= 0: exp(-t^2) times a function of s = 1 / (1 + t / 2). Within 9 + 3 t^2 u of
// the result: t^2 of them are the rounding of t * t, 3 + 2 t^2 are exp's.
fn erfc(t: vec4<f32>) -> vec4<f32> {
    let s = 2.0 / (2.0 + t);
    // Minimax for t <= 10.7, relative error 2^-25.
    var q = vec4<f32>(0.010253028944134712);
    q = q * s - 0.11249793320894241;
    q = q * s + 0.40436017513275146;
    q = q * s - 0.6383548974990845;
    q = q * s + 0.39596548676490784;
    q = q * s - 0.08535371720790863;
    q = q * s + 0.2212996482849121;
    q = q * s + 0.2394973188638687;
    q = q * s + 0.2827618420124054;
    q = q * s + 0.28206899762153625;
    return exp(-t * t) * (s * q);
}
