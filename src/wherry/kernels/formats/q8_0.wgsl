// ggml's q8_0: blocks of 32 weights in 34 bytes, a float16 scale and 32 int8.  weight4(i): the four from 4 i on, as float32.
@group(0) @binding(2) var<storage, read> weight: array<u32>;

fn weight4(i: u32) -> vec4<f32> {
    let block = 34u * (i / 8u);              // byte address: even, not always a multiple of four
    let scale = unpack2x16float(weight[block / 4u] >> (8u * (block % 4u))).x;
    let at = block + 2u + 4u * (i % 8u);
    // The word may begin in the middle of one: joined without a branch, since the second is mostly the first again.
    let word = select(weight[at / 4u], (weight[at / 4u] >> 16u) | (weight[(at + 2u) / 4u] << 16u), at % 4u != 0u);
    let bytes = vec4<i32>(vec4<u32>(word << 24u, word << 16u, word << 8u, word)) >> vec4<u32>(24u);
    return scale * vec4<f32>(bytes);
}
