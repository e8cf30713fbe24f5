// y = x W for one sample: row i of W, which unit i of the layer below is multiplied with, is
// skipped where x[i] is zero. A workgroup sums a chunk of rows for 64 columns, a lane a column;
// `sparse_sum.wgsl` adds the chunks. Four rows are read before the first is added: a device that
// waits for each of them has too few bytes in flight.
struct Params {
    rows: u32,
    columns: u32,
    // Whole fours.
    rows_per_chunk: u32,
}

override skips: bool = true;

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
// Beyond the last row it is zero.
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> w: array<f32>;

fn w_at(row: u32, column: u32, own: f32) -> f32 {
    if !skips || own != 0.0 {
        return w[min(row, params.rows - 1u) * params.columns + column];
    }
    return 0.0;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = workgroup.x * 64u + lane;
    // Lanes beyond the last column sum that one, and do not store.
    let read = min(column, params.columns - 1u);
    let first = workgroup.y * params.rows_per_chunk;
    let end = min(first + params.rows_per_chunk, params.rows);
    var sum = 0.0;
    for (var row = first; row < end; row += 4u) {
        let own = x[row / 4u];
        if skips && all(own == vec4<f32>()) {
            continue;
        }
        let weights = vec4<f32>(
            w_at(row, read, own.x), w_at(row + 1u, read, own.y), w_at(row + 2u, read, own.z), w_at(row + 3u, read, own.w),
        );
        sum += own.x * weights.x;
        sum += own.y * weights.y;
        sum += own.z * weights.z;
        sum += own.w * weights.w;
    }
    if column < params.columns {
        sums[workgroup.y * params.columns + column] = sum;
    }
}
