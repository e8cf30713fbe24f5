// What a function of one operand, `outcome`, gives over bit patterns: the ends of the results of
// each block of patterns, and how many are of a kind. Nothing is read and a few numbers are written
// for thousands of results, so that every f32 there is takes as long as its arithmetic. An
// invocation owns a block.
struct Params {
    // Element i of block b is the pattern `first + (b * length + i) * stride`.
    first: u32,
    stride: u32,
    length: u32,
    blocks: u32,
    // What `above` counts from.
    threshold: f32,
}

struct Block {
    // Of the results that are numbers, infinities included, as keys in their order.
    lowest: u32,
    highest: u32,
    zeros: u32,
    ones: u32,
    above: u32,
    negative: u32,
    infinite: u32,
    nan: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(1) var<storage, read_write> blocks: array<Block>;

// Larger for larger numbers, -0 below 0.
fn key(bits: vec4<u32>) -> vec4<u32> {
    return select(bits | vec4<u32>(0x80000000u), ~bits, (bits >> vec4<u32>(31u)) == vec4<u32>(1u));
}

fn count(which: vec4<bool>) -> u32 {
    let ones = select(vec4<u32>(0u), vec4<u32>(1u), which);
    return ones.x + ones.y + ones.z + ones.w;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.blocks {
        return;
    }
    let start = id.x * params.length;
    var found: Block;
    var lowest = vec4<u32>(0xffffffffu);
    var highest = vec4<u32>(0u);
    for (var i = 0u; i < params.length; i += 4u) {
        let index = vec4<u32>(i) + vec4<u32>(0u, 1u, 2u, 3u);
        let counted = index < vec4<u32>(params.length);
        let x = of_pattern(vec4<u32>(params.first) + (vec4<u32>(start) + index) * params.stride);
        // Told apart by their bits: a comparison with NaN may be anything in WGSL.
        let bits = bitcast<vec4<u32>>(as_stored(outcome(x)));
        let magnitude = bits & vec4<u32>(0x7fffffffu);
        let is_number = counted & (magnitude <= vec4<u32>(0x7f800000u));
        let of_result = key(bits);
        lowest = min(lowest, select(vec4<u32>(0xffffffffu), of_result, is_number));
        highest = max(highest, select(vec4<u32>(0u), of_result, is_number));
        found.zeros += count(counted & (magnitude == vec4<u32>(0u)));
        found.ones += count(counted & (bits == vec4<u32>(0x3f800000u)));
        found.above += count(is_number & (of_result > key(vec4<u32>(bitcast<u32>(params.threshold)))));
        found.negative += count(is_number & (bits > vec4<u32>(0x80000000u)));
        found.infinite += count(counted & (magnitude == vec4<u32>(0x7f800000u)));
        found.nan += count(counted & (magnitude > vec4<u32>(0x7f800000u)));
    }
    found.lowest = min(min(lowest.x, lowest.y), min(lowest.z, lowest.w));
    found.highest = max(max(highest.x, highest.y), max(highest.z, highest.w));
    blocks[id.x] = found;
}
