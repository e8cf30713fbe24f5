// log(1 + z) for z in [0, 1]: 2 atanh(s) of s = z / (2 + z), which keeps every digit of a small z.
// 2 s is written z - s z: the roundings of s weigh less. Within 8 u of the result, in any order of
// the sums.
fn log1p(z: vec4<f32>) -> vec4<f32> {
    let s = z / (z + 2.0);
    let square = s * s;
    // Minimax for s <= 1/3, relative error 2^-27.
    var q = vec4<f32>(0.28024473786354065);
    q = q * square + 0.27999135851860046;
    q = q * square + 0.4002169966697693;
    q = q * square + 0.6666641235351562;
    return z - s * (z - square * q);
}
