// ggml's q4_0: blocks of 32 weights in 18 bytes, a float16 scale and 16 bytes of nibbles, weight i low and weight i + 16 high.
// weight4(i): the four from 4 i on, as float32.
@group(0) @binding(2) var<storage, read> weight: array<u32>;

fn weight4(i: u32) -> vec4<f32> {
    let block = 18u * (i / 8u);              // byte address: even, not always a multiple of four
    let scale = unpack2x16float(weight[block / 4u] >> (8u * (block % 4u))).x;
    let at = block + 2u + 4u * (i % 4u);
    // The word may begin in the middle of one: joined without a branch, since the second is mostly the first again.
    let word = select(weight[at / 4u], (weight[at / 4u] >> 16u) | (weight[(at + 2u) / 4u] << 16u), at % 4u != 0u);
    let n = unpack4xU8((word >> (i & 4u)) & 0x0f0f0f0fu);
    return scale * (vec4<f32>(n) - 8.0);
}
