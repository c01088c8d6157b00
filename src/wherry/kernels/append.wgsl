// cache[b, offsets[b] + t] = x[b, t].  One invocation for four numbers; what lies beyond the cache is dropped.
struct Params { count4: u32, tokens: u32, context: u32, state4: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // (B, T, state)
@group(0) @binding(2) var<storage, read> offsets: array<i32>;             // (B,)
@group(0) @binding(3) var<storage, read_write> cache: array<vec4<f32>>;   // (B, context, state)

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3<u32>) {
    if (at.x >= params.count4) {
        return;
    }
    let row = at.x / params.state4;
    let b = row / params.tokens;
    let place = offsets[b] + i32(row % params.tokens);
    if (place >= 0 && place < i32(params.context)) {
        cache[(b * params.context + u32(place)) * params.state4 + at.x % params.state4] = x[at.x];
    }
}
