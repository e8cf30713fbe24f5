//! Random numbers by counter, the same bits here and in `shaders/claims/random.wgsl`.

/// The functions `random(counter, key)` and `uniform_of(word)` in WGSL.
pub const WGSL: &str = include_str!("../../shaders/claims/random.wgsl");

/// Two random words of a counter under a key: Threefry-2x32 with 20 rounds (Salmon et al., SC
/// 2011).
pub fn random(counter: [u32; 2], key: [u32; 2]) -> [u32; 2] {
    const ROTATIONS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];
    let keys = [key[0], key[1], 0x1bd1_1bda ^ key[0] ^ key[1]];
    let mut x = [counter[0].wrapping_add(keys[0]), counter[1].wrapping_add(keys[1])];
    for block in 0..5u32 {
        for rotation in ROTATIONS[block as usize % 2] {
            x[0] = x[0].wrapping_add(x[1]);
            x[1] = x[1].rotate_left(rotation) ^ x[0];
        }
        let next = |ahead: u32| keys[(block + ahead) as usize % 3];
        x = [x[0].wrapping_add(next(1)), x[1].wrapping_add(next(2)).wrapping_add(block + 1)];
    }
    x
}

/// A uniform number in [0, 1) of a random word: its 24 upper bits, which f32 holds exactly.
pub fn uniform_of(word: u32) -> f32 {
    let upper = (word >> 8) as f32;
    upper / 16_777_216.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Choice, Gpu, Sequence, ShaderChecks};

    #[test]
    fn the_words_are_those_of_the_authors() {
        // The known answers that come with Random123.
        let answers = [
            ([0, 0], [0, 0], [0x6b20_0159, 0x99ba_4efe]),
            ([u32::MAX, u32::MAX], [u32::MAX, u32::MAX], [0x1cb9_96fc, 0xbb00_2be7]),
            ([0x243f_6a88, 0x85a3_08d3], [0x1319_8a2e, 0x0370_7344], [0xc492_3a9c, 0x483d_f7a0]),
        ];
        for (counter, key, words) in answers {
            assert_eq!(random(counter, key), words, "{counter:x?} {key:x?}");
        }
    }

    /// Words and uniform numbers of counters (index, 5) under a key, as the adapter makes them.
    fn on_the_adapter(count: u32, key: [u32; 2]) -> (Vec<u32>, Vec<f32>) {
        let gpu = Gpu::open(&Choice::from_environment(Choice::PreferSoftware)).expect("an adapter");
        let main = "
            struct Params { count: u32, key0: u32, key1: u32 }
            @group(0) @binding(0) var<storage, read> params: Params;
            @group(0) @binding(1) var<storage, read_write> words: array<vec2<u32>>;
            @group(0) @binding(2) var<storage, read_write> uniforms: array<vec2<f32>>;
            @compute @workgroup_size(64)
            fn main(@builtin(global_invocation_id) id: vec3<u32>) {
                if id.x < params.count {
                    let both = random(vec2<u32>(id.x, 5u), vec2<u32>(params.key0, params.key1));
                    words[id.x] = both;
                    uniforms[id.x] = vec2<f32>(uniform_of(both.x), uniform_of(both.y));
                }
            }";
        let wgsl = [WGSL, main].concat();
        let program =
            gpu.program("random numbers", &wgsl, &[], ShaderChecks::Checked).expect("it compiles");
        let size = 2 * count as usize;
        let (words, uniforms) =
            (gpu.buffer("words", size).expect("room"), gpu.buffer("uniforms", size).expect("room"));
        let params = [count, key[0], key[1]];
        let step = gpu
            .step(&program, &[&words, &uniforms], &params, [count.div_ceil(64), 1, 1])
            .expect("it is bound");
        gpu.run_sequence(&Sequence::new("random numbers", vec![step]), 1)
            .expect("the device works");
        (
            gpu.load(&words).expect("the device works"),
            gpu.load(&uniforms).expect("the device works"),
        )
    }

    #[test]
    fn the_adapter_makes_the_same_bits() {
        let key = [0xdead_beef, 42];
        let (words, uniforms) = on_the_adapter(10_001, key);
        for (index, (words, uniforms)) in
            (0u32..).zip(words.chunks_exact(2).zip(uniforms.chunks_exact(2)))
        {
            let expected = random([index, 5], key);
            assert_eq!(words, expected, "counter {index}");
            assert_eq!(uniforms, expected.map(uniform_of), "counter {index}");
            assert!(uniforms.iter().all(|uniform| (0.0..1.0).contains(uniform)));
        }
    }

    #[test]
    fn numbers_are_uniform_and_neighbours_independent() {
        // Chi-square over 256 cells of pairs (16 by 16): both words of a counter, and a word with
        // that of the next counter. With 255 degrees of freedom the mean is 255 and the standard
        // deviation 22.6; 5 of them either way.
        let draws: Vec<[u32; 2]> =
            (0..100_000).map(|counter| random([counter, 0], [1, 2])).collect();
        let chi_square = |pairs: &mut dyn Iterator<Item = (u32, u32)>| {
            let mut cells = [0u32; 256];
            let mut count = 0.0;
            for (one, other) in pairs {
                cells[(one >> 28 << 4 | other >> 28) as usize] += 1;
                count += 1.0;
            }
            let expected: f64 = count / 256.0;
            cells.iter().map(|cell| (f64::from(*cell) - expected).powi(2) / expected).sum::<f64>()
        };
        let of_a_counter = chi_square(&mut draws.iter().map(|words| (words[0], words[1])));
        let of_neighbours = chi_square(&mut draws.windows(2).map(|next| (next[0][0], next[1][0])));
        for found in [of_a_counter, of_neighbours] {
            assert!((255.0 - 113.0..255.0 + 113.0).contains(&found), "{found}");
        }
        // And every bit is set half of the time: within 5 standard deviations of 158.
        for bit in 0..32 {
            let set = draws.iter().filter(|words| words[0] >> bit & 1 == 1).count();
            assert!((49_210..=50_790).contains(&set), "bit {bit}: {set}");
        }
    }
}
