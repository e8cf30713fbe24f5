// y = x W for one sample: row i of W, which unit i of the layer below is multiplied with, is skipped where x[i] is zero. A workgroup sums
// a strip of rows for 64 columns, a lane a column; `sparse_sum.wgsl` adds the strips.
struct Params {
    rows: u32,
    columns: u32,
    rows_per_strip: u32,
}

override skips: bool = true;

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> w: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = workgroup.x * 64u + lane;
    // Lanes beyond the last column sum that one, and do not store.
    let read = min(column, params.columns - 1u);
    let first = workgroup.y * params.rows_per_strip;
    let end = min(first + params.rows_per_strip, params.rows);
    var sum = 0.0;
    for (var row = first; row < end; row++) {
        let own = x[row];
        if !skips || own != 0.0 {
            sum += own * w[row * params.columns + read];
        }
    }
    if column < params.columns {
        sums[workgroup.y * params.columns + column] = sum;
    }
}
