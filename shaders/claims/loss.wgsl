// The cross-entropy of a sigmoid, from logits: its mean over a batch, written behind those of
// earlier steps, and its gradient. A workgroup a net; a lane sums every 64th sample in order, and
// the lanes are added in a fixed tree.
struct Params {
    batch: u32,
    // Losses of a net that there is room for.
    steps: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read_write> dz: array<f32>;
@group(0) @binding(2) var<storage, read_write> losses: array<f32>;
// Steps that each net has made.
@group(0) @binding(3) var<storage, read_write> made: array<u32>;
@group(0) @binding(4) var<storage, read> logits: array<f32>;
@group(0) @binding(5) var<storage, read> labels: array<f32>;

const LANES: u32 = 64u;
var<workgroup> sums: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let net = workgroup.x;
    var sum = 0.0;
    for (var sample = lane; sample < params.batch; sample += LANES) {
        let at = net * params.batch + sample;
        let z = logits[at];
        let smaller = exp(-abs(z));
        sum += max(z, 0.0) - z * labels[at] + log(1.0 + smaller);
        let p = select(smaller, 1.0, z >= 0.0) / (1.0 + smaller);
        dz[at] = (p - labels[at]) / f32(params.batch);
    }
    sums[lane] = sum;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if lane < half {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
    if lane == 0u {
        let step = made[net];
        if step < params.steps {
            losses[net * params.steps + step] = sums[0] / f32(params.batch);
        }
        made[net] = step + 1u;
    }
}
