// ggml's q3_k: blocks of 256 weights in 110 bytes. 32 bytes of third bits, weight i's in bit i / 32 of byte i % 32; then of each
// 128 weights 32 bytes, weight i in the lowest two bits, i + 32 in the next; then sixteen scales of six bits, eight bytes of
// nibbles and four of their upper bits; then a float16 factor.  weight4(i): the four from 4 i on, as float32.
@group(0) @binding(2) var<storage, read> weight: array<u32>;

// The word at an even byte address.
fn weight_word(at: u32) -> u32 {
    return select(weight[at / 4u], (weight[at / 4u] >> 16u) | (weight[(at + 2u) / 4u] << 16u), at % 4u != 0u);
}

fn weight_byte(at: u32) -> u32 {
    return weight[at / 4u] >> (8u * (at % 4u));
}

fn weight4(i: u32) -> vec4<f32> {
    let block = 110u * (i / 64u);            // byte address: even, not always a multiple of four
    let j = i % 64u;
    let part = j / 4u;                       // which scale
    let factor = unpack2x16float(weight_byte(block + 108u)).x;
    let low = (weight_byte(block + 96u + part % 8u) >> (4u * (part / 8u))) & 15u;
    let high = (weight_byte(block + 104u + part % 4u) >> (2u * (part / 4u))) & 3u;
    let twos = weight_word(block + 32u + 32u * (j / 32u) + 4u * (j % 8u)) >> (2u * (j / 8u % 4u));
    let thirds = weight_word(block + 4u * (j % 8u)) >> (j / 8u);
    let n = unpack4xU8((twos & 0x03030303u) | ((thirds & 0x01010101u) << 2u));
    return (factor * (f32(low | (high << 4u)) - 32.0)) * (vec4<f32>(n) - 4.0);
}
