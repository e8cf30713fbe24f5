// One step of gated recurrent units, four units an invocation; planes as in lstm_forward.wgsl.
struct Params {
    words: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
// Update and reset gate, candidate.
@group(0) @binding(1) var<storage, read_write> kept: array<T>;
@group(0) @binding(2) var<storage, read_write> h: array<T>;
// Of the two gates, and of the candidate from the input and from the state.
@group(0) @binding(3) var<storage, read> a: array<T>;
@group(0) @binding(4) var<storage, read> h_before: array<T>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    let n = params.words;
    if i < n {
        let cell = gru(a[i], a[n + i], a[2u * n + i], a[3u * n + i], h_before[i]);
        kept[i] = cell.update;
        kept[n + i] = cell.reset;
        kept[2u * n + i] = cell.candidate;
        h[i] = cell.h;
    }
}
