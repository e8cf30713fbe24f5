// dx = backward(saved, dy), element by element.
@group(0) @binding(1) var<storage, read_write> dx: array<W>;
@group(0) @binding(2) var<storage, read> saved: array<W>;
@group(0) @binding(3) var<storage, read> dy: array<W>;

fn backward_word(saved_word: W, dy_word: W) -> W {
    var result: W;
    for (var p = 0u; p < PARTS; p++) {
        put(&result, p, backward(part(saved_word, p), part(dy_word, p)));
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
            dx[i] = backward_word(saved[i], dy[i]);
        }
        i += workgroup_size;
    }
}
