// The gradient of one step of LSTM cells, four units an invocation; planes as in lstm_forward.wgsl.
struct Params {
    words: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
// Of the four pre-activations.
@group(0) @binding(1) var<storage, read_write> da: array<T>;
@group(0) @binding(2) var<storage, read_write> dc_before: array<T>;
@group(0) @binding(3) var<storage, read> kept: array<T>;
@group(0) @binding(4) var<storage, read> c_before: array<T>;
@group(0) @binding(5) var<storage, read> dh: array<T>;
@group(0) @binding(6) var<storage, read> dc: array<T>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    let n = params.words;
    if i < n {
        // h is not read again: its gradient takes c and the output gate.
        let cell = Lstm(kept[i], kept[n + i], kept[2u * n + i], kept[3u * n + i], kept[4u * n + i], T(0.0));
        let gradient = lstm_backward(cell, c_before[i], dh[i], dc[i]);
        da[i] = gradient.input;
        da[n + i] = gradient.forget;
        da[2u * n + i] = gradient.output;
        da[3u * n + i] = gradient.candidate;
        dc_before[i] = gradient.c;
    }
}
