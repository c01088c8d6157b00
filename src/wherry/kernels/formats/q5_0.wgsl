// ggml's q5_0: blocks of 32 weights in 22 bytes, a float16 scale, a fifth bit of each weight, and 16 bytes of nibbles, weight i
// low and weight i + 16 high.  weight4(i): the four from 4 i on, as float32.
@group(0) @binding(2) var<storage, read> weight: array<u32>;

// The word at an even byte address.
fn weight_word(at: u32) -> u32 {
    return select(weight[at / 4u], (weight[at / 4u] >> 16u) | (weight[(at + 2u) / 4u] << 16u), at % 4u != 0u);
}

fn weight4(i: u32) -> vec4<f32> {
    let block = 22u * (i / 8u);              // byte address: even, not always a multiple of four
    let scale = unpack2x16float(weight[block / 4u] >> (8u * (block % 4u))).x;
    let fifths = weight_word(block + 2u) >> (4u * (i % 8u));
    let word = weight_word(block + 6u + 4u * (i % 4u)) >> (i & 4u);
    let low = (vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(15u);
    let high = (vec4<u32>(fifths) << vec4<u32>(4u, 3u, 2u, 1u)) & vec4<u32>(16u);
    return scale * (vec4<f32>(low | high) - 16.0);
}
