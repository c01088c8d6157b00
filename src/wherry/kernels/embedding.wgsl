// y[b, t] = table[tokens[b, t]] + positions[offsets[b] + t].  One invocation for four numbers.
struct Params { rows: u32, tokens: u32, state4: u32, vocab: u32, places: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tokens: array<i32>;              // (B, T)
@group(0) @binding(3) var<storage, read> positions: array<vec4<f32>>;     // (places, state)
@group(0) @binding(4) var<storage, read> offsets: array<i32>;             // (B,)
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;       // (B, T, state)

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3<u32>) {
    if (at.x >= params.rows * params.state4) {
        return;
    }
    let row = at.x / params.state4;
    let c = at.x % params.state4;
    let token = clamp(tokens[row], 0, i32(params.vocab) - 1);
    let place = clamp(offsets[row / params.tokens] + i32(row % params.tokens), 0, i32(params.places) - 1);
    y[at.x] = weight4(u32(token) * params.state4 + c) + positions[u32(place) * params.state4 + c];
}
