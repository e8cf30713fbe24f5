// y = forward(x), element by element.
@group(0) @binding(1) var<storage, read_write> y: array<W>;
@group(0) @binding(2) var<storage, read> x: array<W>;

fn forward_word(word: W) -> W {
    var result: W;
    for (var p = 0u; p < PARTS; p++) {
        put(&result, p, forward(part(word, p)));
    }
    return result;
}

@compute @workgroup_size(workgroup_size)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    var i = first_unit(workgroup, grid, lane);
    for (var k = 0u; k < units_per_invocation; k++) {
        if i < params.words {
            y[i] = forward_word(x[i]);
        }
        i += workgroup_size;
    }
}
