// w -= rate dw, for the sums dw of a product of gradients and activations, and a rate for each net.
@group(0) @binding(4) var<storage, read> rates: array<f32>;

fn finish(sum: vec4<f32>, at: vec4<u32>, columns: vec4<u32>, matrix: u32) -> vec4<f32> {
    return vec4<f32>(c[at.x], c[at.y], c[at.z], c[at.w]) - rates[matrix] * sum;
}
