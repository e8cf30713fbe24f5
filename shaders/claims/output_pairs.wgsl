// Two tensors from two, element by element: loss and gradient of `outputs`.
struct Params {
    words: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read_write> loss: array<T>;
@group(0) @binding(2) var<storage, read_write> gradient: array<T>;
@group(0) @binding(3) var<storage, read> first: array<T>;
@group(0) @binding(4) var<storage, read> label: array<T>;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i < params.words {
        let found = outputs(first[i], label[i]);
        loss[i] = found.loss;
        gradient[i] = found.dx;
    }
}
