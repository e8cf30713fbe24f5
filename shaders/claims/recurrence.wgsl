// A recurrent net over many steps, one net a workgroup and a unit an invocation: the
// pre-activations of a step are its drive and the product of the recurrent weights with the state
// before. `advance(drive, of_state, c, h)` is the cell.
struct Params {
    steps: u32,
    // Nets that share a drive follow one another.
    nets_per_drive: u32,
}

// c is the same as h in a cell that has no other state.
struct State {
    c: f32,
    h: f32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read_write> states: array<State>;
// By net, the unit before, the unit: its weight into each pre-activation.
@group(0) @binding(2) var<storage, read> weights: array<vec4<f32>>;
// By drive, step, unit.
@group(0) @binding(3) var<storage, read> drives: array<vec4<f32>>;

var<workgroup> h: array<f32, WIDTH>;

@compute @workgroup_size(WIDTH)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) unit: u32) {
    let net = workgroup.x;
    let first_weight = net * WIDTH * WIDTH + unit;
    let first_drive = net / params.nets_per_drive * params.steps * WIDTH + unit;
    let first_state = net * params.steps * WIDTH + unit;
    var state = State(0.0, 0.0);
    h[unit] = 0.0;
    for (var step = 0u; step < params.steps; step++) {
        workgroupBarrier();
        var of_state = vec4<f32>(0.0);
        for (var other = 0u; other < WIDTH; other++) {
            of_state += weights[first_weight + other * WIDTH] * h[other];
        }
        state = advance(drives[first_drive + step * WIDTH], of_state, state);
        states[first_state + step * WIDTH] = state;
        // Not before every unit has read the state before.
        workgroupBarrier();
        h[unit] = state.h;
    }
}
