// ggml's q4_1: blocks of 32 weights in 20 bytes, a float16 scale, a float16 minimum and 16 bytes of nibbles, weight i low and
// weight i + 16 high.  weight4(i): the four from 4 i on, as float32.
@group(0) @binding(2) var<storage, read> weight: array<u32>;

fn weight4(i: u32) -> vec4<f32> {
    let block = 5u * (i / 8u);
    let scale = unpack2x16float(weight[block]);
    let n = unpack4xU8((weight[block + 1u + i % 4u] >> (i & 4u)) & 0x0f0f0f0fu);
    return scale.x * vec4<f32>(n) + scale.y;
}
