// f16 in memory and in arithmetic: a 16-byte word is two parts of four elements. Needs the
// adapter's shader-f16.
enable f16;

struct W {
    low: vec4<f16>,
    high: vec4<f16>,
}
alias T = vec4<f16>;
const PARTS: u32 = 2u;

fn part(word: W, index: u32) -> T {
    return select(word.low, word.high, index == 1u);
}

fn put(word: ptr<function, W>, index: u32, value: T) {
    if index == 0u {
        (*word).low = value;
    } else {
        (*word).high = value;
    }
}
