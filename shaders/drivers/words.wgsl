// Which units an invocation owns: words, or runs of words that share a u32 of mask. Neighbouring
// lanes take neighbouring units; a grid of more than one row continues the count.
struct Params {
    words: u32,
    // Of chains: steps in sixteens, the rest, the factor, and what a second fma computes with.
    unrolled: u32,
    rest: u32,
    factor: f32,
    again: f32,
    zero: f32,
}

override workgroup_size: u32 = 256u;
override units_per_invocation: u32 = 1u;

@group(0) @binding(0) var<uniform> params: Params;

fn first_unit(workgroup: vec3<u32>, grid: vec3<u32>, lane: u32) -> u32 {
    return (workgroup.y * grid.x + workgroup.x) * workgroup_size * units_per_invocation + lane;
}
