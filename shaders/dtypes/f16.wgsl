// f16 in memory, f32 arithmetic: a 16-byte word is two parts of four elements. Needs no feature of
// the adapter.
alias W = vec4<u32>;
alias T = vec4<f32>;
const PARTS: u32 = 2u;

fn part(word: W, index: u32) -> T {
    let pairs = select(word.xy, word.zw, index == 1u);
    return vec4<f32>(unpack2x16float(pairs.x), unpack2x16float(pairs.y));
}

fn put(word: ptr<function, W>, index: u32, value: T) {
    let pairs = vec2<u32>(pack2x16float(value.xy), pack2x16float(value.zw));
    if index == 0u {
        (*word).x = pairs.x;
        (*word).y = pairs.y;
    } else {
        (*word).z = pairs.x;
        (*word).w = pairs.y;
    }
}
