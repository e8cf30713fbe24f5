// One step of LSTM cells, four units an invocation. Tensors of several planes have one after the
// other, `words` words each.
struct Params {
    words: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
// Input, forget and output gate, candidate, c.
@group(0) @binding(1) var<storage, read_write> kept: array<T>;
@group(0) @binding(2) var<storage, read_write> h: array<T>;
// Pre-activations of the four.
@group(0) @binding(3) var<storage, read> a: array<T>;
@group(0) @binding(4) var<storage, read> c_before: array<T>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    let n = params.words;
    if i < n {
        let cell = lstm(a[i], a[n + i], a[2u * n + i], a[3u * n + i], c_before[i]);
        kept[i] = cell.input;
        kept[n + i] = cell.forget;
        kept[2u * n + i] = cell.output;
        kept[3u * n + i] = cell.candidate;
        kept[4u * n + i] = cell.c;
        h[i] = cell.h;
    }
}
