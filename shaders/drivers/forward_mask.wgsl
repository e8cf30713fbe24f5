// y = forward(x), and one bit an element for the backward pass. An invocation owns a whole u32 of
// mask, so no two write the same.
@group(0) @binding(1) var<storage, read_write> y: array<W>;
@group(0) @binding(2) var<storage, read_write> mask: array<u32>;
@group(0) @binding(3) var<storage, read> x: array<W>;

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
            var bits = 0u;
            for (var w = 0u; w < WORDS_PER_MASK; w++) {
                let i = first + w;
                if i < params.words {
                    let word = x[i];
                    var result: W;
                    for (var p = 0u; p < PARTS; p++) {
                        let value = part(word, p);
                        put(&result, p, forward(value));
                        let four = dot(select(vec4<u32>(0u), vec4<u32>(1u, 2u, 4u, 8u), mask_bits(value)), vec4<u32>(1u));
                        bits |= four << ((w * PARTS + p) * 4u);
                    }
                    y[i] = result;
                }
            }
            mask[unit] = bits;
        }
        unit += workgroup_size;
    }
}
