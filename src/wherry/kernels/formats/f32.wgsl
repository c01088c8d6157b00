// float32 weights as they are.  weight4(i): the four from 4 i on.
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;

fn weight4(i: u32) -> vec4<f32> {
    return weight[i];
}
