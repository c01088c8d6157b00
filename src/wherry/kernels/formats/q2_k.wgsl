// ggml's q2_k: blocks of 256 weights in 84 bytes. For each 16 weights a byte: scale low, minimum high; then of each 128 weights
// 32 bytes, weight i in the lowest two bits, i + 32 in the next; then a float16 factor of the scales and one of the minima.
// weight4(i): the four from 4 i on, as float32.
@group(0) @binding(2) var<storage, read> weight: array<u32>;

fn weight4(i: u32) -> vec4<f32> {
    let block = 21u * (i / 64u);
    let j = i % 64u;
    let factors = unpack2x16float(weight[block + 20u]);
    let scales = weight[block + j / 16u] >> (8u * (j / 4u % 4u));
    let word = weight[block + 4u + 8u * (j / 32u) + j % 8u] >> (2u * (j / 8u % 4u));
    let n = unpack4xU8(word & 0x03030303u);
    return (factors.x * f32(scales & 15u)) * vec4<f32>(n) - factors.y * f32((scales >> 4u) & 15u);
}
