// dz[i] = relu'(x[i]) (W dy)[i] for one sample: where x[i] is zero, so is the result, and row i of
// W need not be read. A workgroup a row: a lane sums every 64th column in order, and the lanes are
// added in a fixed tree.
struct Params {
    rows: u32,
    columns: u32,
}

override skips: bool = true;

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read_write> dz: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> w: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;

const LANES: u32 = 64u;
var<workgroup> lanes: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = workgroup.y * grid.x + workgroup.x;
    // Workgroups beyond the last row do that one again.
    let own = min(row, params.rows - 1u);
    let is_active = x[own] > 0.0;
    if !skips || is_active {
        var sum = 0.0;
        for (var column = lane; column < params.columns; column += LANES) {
            sum += w[own * params.columns + column] * dy[column];
        }
        lanes[lane] = sum;
        workgroupBarrier();
        for (var half = LANES / 2u; half > 0u; half /= 2u) {
            if lane < half {
                lanes[lane] += lanes[lane + half];
            }
            workgroupBarrier();
        }
    }
    if lane == 0u && row < params.rows {
        dz[row] = select(0.0, lanes[0], is_active);
    }
}
