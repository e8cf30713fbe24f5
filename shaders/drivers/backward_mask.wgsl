// dx = backward(1 or 0, dy), with the saved tensor as one bit an element. An invocation owns the
// elements of a u32 of mask.
@group(0) @binding(1) var<storage, read_write> dx: array<W>;
@group(0) @binding(2) var<storage, read> mask: array<u32>;
@group(0) @binding(3) var<storage, read> dy: array<W>;

const WORDS_PER_MASK: u32 = 8u / PARTS;

@compute @workgroup_size(workgroup_size)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    var unit = first_unit(workgroup, grid, lane);
    for (var k = 0u; k < units_per_invocation; k++) {
        let first = unit * WORDS_PER_MASK;
        if first < params.words {
            let bits = mask[unit];
            for (var w = 0u; w < WORDS_PER_MASK; w++) {
                let i = first + w;
                if i < params.words {
                    let word = dy[i];
                    var result: W;
                    for (var p = 0u; p < PARTS; p++) {
                        let four = vec4<u32>(bits >> ((w * PARTS + p) * 4u)) & vec4<u32>(1u, 2u, 4u, 8u);
                        let saved = select(T(0.0), T(1.0), four != vec4<u32>(0u));
                        put(&result, p, backward(saved, part(word, p)));
                    }
                    dx[i] = result;
                }
            }
        }
        unit += workgroup_size;
    }
}
