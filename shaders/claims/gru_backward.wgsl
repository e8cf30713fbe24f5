// The gradient of one step of gated recurrent units, four units an invocation; planes as in
// gru_forward.wgsl.
struct Params {
    words: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read_write> da: array<T>;
@group(0) @binding(2) var<storage, read_write> dh_before: array<T>;
@group(0) @binding(3) var<storage, read> kept: array<T>;
// The pre-activation of the candidate from the state.
@group(0) @binding(4) var<storage, read> of_state: array<T>;
@group(0) @binding(5) var<storage, read> h_before: array<T>;
@group(0) @binding(6) var<storage, read> dh: array<T>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    let n = params.words;
    if i < n {
        let cell = Gru(kept[i], kept[n + i], kept[2u * n + i], T(0.0));
        let gradient = gru_backward(cell, of_state[i], h_before[i], dh[i]);
        da[i] = gradient.update;
        da[n + i] = gradient.reset;
        da[2u * n + i] = gradient.of_input;
        da[3u * n + i] = gradient.of_state;
        dh_before[i] = gradient.h;
    }
}
