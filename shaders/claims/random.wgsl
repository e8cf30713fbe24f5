// Random numbers by counter: the same counter under the same key gives the same words, whichever
// invocation asks and in whatever order. Threefry-2x32 with 20 rounds (Salmon et al., Parallel
// random numbers: as easy as 1, 2, 3, SC 2011): additions, rotations and xor alone.
fn random(counter: vec2<u32>, key: vec2<u32>) -> vec2<u32> {
    let keys = array<u32, 3>(key.x, key.y, 0x1bd11bdau ^ key.x ^ key.y);
    var x = counter + key;
    for (var block = 0u; block < 5u; block++) {
        // Rotations repeat every eight rounds.
        let rotations = select(vec4<u32>(17u, 29u, 16u, 24u), vec4<u32>(13u, 15u, 26u, 6u), (block & 1u) == 0u);
        x = random_round(x, rotations.x);
        x = random_round(x, rotations.y);
        x = random_round(x, rotations.z);
        x = random_round(x, rotations.w);
        x += vec2<u32>(keys[(block + 1u) % 3u], keys[(block + 2u) % 3u] + block + 1u);
    }
    return x;
}

fn random_round(x: vec2<u32>, rotation: u32) -> vec2<u32> {
    let sum = x.x + x.y;
    return vec2<u32>(sum, ((x.y << rotation) | (x.y >> (32u - rotation))) ^ sum);
}

// In [0, 1): the 24 upper bits, which f32 holds exactly.
fn uniform_of(word: u32) -> f32 {
    return f32(word >> 8u) * 0x1p-24;
}
