// Which words an invocation owns. Neighbouring lanes take neighbouring words; a grid of more than one row continues the count.
struct Params {
    words: u32,
}

override workgroup_size: u32 = 256u;
override words_per_invocation: u32 = 1u;

@group(0) @binding(0) var<uniform> params: Params;

fn first_word(workgroup: vec3<u32>, grid: vec3<u32>, lane: u32) -> u32 {
    return (workgroup.y * grid.x + workgroup.x) * workgroup_size * words_per_invocation + lane;
}
