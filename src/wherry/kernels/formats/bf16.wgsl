// bfloat16 weights, two in a word: the upper halves of float32.  weight4(i): the four from 4 i on, as float32.
@group(0) @binding(2) var<storage, read> weight: array<vec2<u32>>;

fn weight4(i: u32) -> vec4<f32> {
    let pair = weight[i].xxyy;
    return bitcast<vec4<f32>>((pair << vec4<u32>(16u, 0u, 16u, 0u)) & vec4<u32>(0xffff0000u));
}
