// f32 in memory, f32 arithmetic: a 16-byte word is one part of four elements.
alias W = vec4<f32>;
alias T = vec4<f32>;
const PARTS: u32 = 1u;

fn part(word: W, index: u32) -> T {
    return word;
}

fn put(word: ptr<function, W>, index: u32, value: T) {
    *word = value;
}
