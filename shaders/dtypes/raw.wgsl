// Bits in memory that no arithmetic touches: what copy moves, whatever the elements are.
alias W = vec4<u32>;
alias T = vec4<u32>;
const PARTS: u32 = 1u;

fn part(word: W, index: u32) -> T {
    return word;
}

fn put(word: ptr<function, W>, index: u32, value: T) {
    *word = value;
}
