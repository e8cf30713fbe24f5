// bias -= rate db, db being the sum of dz over a batch: an invocation a unit, in the order of the
// batch.
struct Params {
    nets: u32,
    batch: u32,
    units: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read_write> bias: array<f32>;
@group(0) @binding(2) var<storage, read> dz: array<f32>;
@group(0) @binding(3) var<storage, read> rates: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.nets * params.units {
        return;
    }
    let net = id.x / params.units;
    let unit = id.x % params.units;
    var sum = 0.0;
    for (var sample = 0u; sample < params.batch; sample++) {
        sum += dz[(net * params.batch + sample) * params.units + unit];
    }
    bias[id.x] -= rates[net] * sum;
}
