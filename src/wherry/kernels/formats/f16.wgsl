// float16 weights, two in a word: needs no shader-f16.  weight4(i): the four from 4 i on, as float32.
@group(0) @binding(2) var<storage, read> weight: array<vec2<u32>>;

fn weight4(i: u32) -> vec4<f32> {
    let pair = weight[i];
    return vec4<f32>(unpack2x16float(pair.x), unpack2x16float(pair.y));
}
