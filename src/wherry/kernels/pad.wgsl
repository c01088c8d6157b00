// y[b, f + 1] = x[b, f], and zeros before and after: what a convolution of width 3 reads.  One invocation for four numbers.
struct Params { count4: u32, frames: u32, channels4: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // (B, frames, channels)
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;       // (B, frames + 2, channels)

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3<u32>) {
    if (at.x >= params.count4) {
        return;
    }
    let row = at.x / params.channels4;
    let b = row / (params.frames + 2u);
    let frame = row % (params.frames + 2u);
    var value = vec4<f32>(0.0);
    if (frame > 0u && frame <= params.frames) {
        value = x[(b * params.frames + frame - 1u) * params.channels4 + at.x % params.channels4];
    }
    y[at.x] = value;
}
