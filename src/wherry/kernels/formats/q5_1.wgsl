// ggml's q5_1: blocks of 32 weights in 24 bytes, a float16 scale, a float16 minimum, a fifth bit of each weight, and 16 bytes of
// nibbles, weight i low and weight i + 16 high.  weight4(i): the four from 4 i on, as float32.
@group(0) @binding(2) var<storage, read> weight: array<u32>;

fn weight4(i: u32) -> vec4<f32> {
    let block = 6u * (i / 8u);
    let scale = unpack2x16float(weight[block]);
    let fifths = weight[block + 1u] >> (4u * (i % 8u));
    let word = weight[block + 2u + i % 4u] >> (i & 4u);
    let low = (vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(15u);
    let high = (vec4<u32>(fifths) << vec4<u32>(4u, 3u, 2u, 1u)) & vec4<u32>(16u);
    return scale.x * vec4<f32>(low | high) + scale.y;
}
