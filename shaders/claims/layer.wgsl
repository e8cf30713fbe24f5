// y = forward(sum + bias): what a layer does to the sums of its product.
@group(0) @binding(4) var<storage, read> bias: array<f32>;

fn finish(sum: vec4<f32>, at: vec4<u32>, columns: vec4<u32>, matrix: u32) -> vec4<f32> {
    let own = matrix * params.columns + columns;
    return forward(sum + vec4<f32>(bias[own.x], bias[own.y], bias[own.z], bias[own.w]));
}
