// ggml's q6_k: blocks of 256 weights in 210 bytes. Of each 128 weights 64 bytes of nibbles, weight i low and i + 64 high; of each
// 128 weights 32 bytes of their upper bits, weight i in the lowest two, i + 32 in the next; for each 16 weights an int8 scale;
// then a float16 factor.  weight4(i): the four from 4 i on, as float32.
@group(0) @binding(2) var<storage, read> weight: array<u32>;

// The word at an even byte address.
fn weight_word(at: u32) -> u32 {
    return select(weight[at / 4u], (weight[at / 4u] >> 16u) | (weight[(at + 2u) / 4u] << 16u), at % 4u != 0u);
}

fn weight_byte(at: u32) -> u32 {
    return weight[at / 4u] >> (8u * (at % 4u));
}

fn weight4(i: u32) -> vec4<f32> {
    let block = 210u * (i / 64u);            // byte address: even, not always a multiple of four
    let j = i % 64u;
    let factor = unpack2x16float(weight_byte(block + 208u)).x;
    let scale = bitcast<i32>(weight_byte(block + 192u + j / 4u) << 24u) >> 24u;
    let nibbles = weight_word(block + 64u * (j / 32u) + 4u * (j % 16u)) >> ((j / 4u) & 4u);
    let twos = weight_word(block + 128u + 32u * (j / 32u) + 4u * (j % 8u)) >> (2u * (j / 8u % 4u));
    let n = unpack4xU8((nibbles & 0x0f0f0f0fu) | ((twos & 0x03030303u) << 4u));
    return (factor * f32(scale)) * (vec4<f32>(n) - 32.0);
}
