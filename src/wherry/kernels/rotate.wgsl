// Rotary position embedding: in each head, pair p of the first 2 PAIRS numbers turns by the angle of the row's position.
// One invocation for two numbers of a head; those that are not turned are copied.
struct Params { total: u32, tokens: u32, heads: u32, half: u32, pairs: u32, places: u32 }
override INTERLEAVED: bool = false;                                       // a pair lies side by side, not PAIRS apart
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;                   // (B, T, heads, 2 half)
@group(0) @binding(2) var<storage, read> table: array<vec2<f32>>;         // (places, pairs) of cosine, sine
@group(0) @binding(3) var<storage, read> offsets: array<i32>;             // (B,)
@group(0) @binding(4) var<storage, read_write> y: array<f32>;             // (B, T, heads, 2 half)

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = at.y * groups.x * 64u + at.x;
    if (i >= params.total) {
        return;
    }
    let p = i % params.half;
    let head = (i / params.half) * 2u * params.half;
    let row = i / (params.half * params.heads);
    if (p >= params.pairs) {
        y[head + 2u * p] = x[head + 2u * p];
        y[head + 2u * p + 1u] = x[head + 2u * p + 1u];
        return;
    }
    let place = clamp(offsets[row / params.tokens] + i32(row % params.tokens), 0, i32(params.places) - 1);
    let turn = table[u32(place) * params.pairs + p];
    let first = head + select(p, 2u * p, INTERLEAVED);
    let second = first + select(params.pairs, 1u, INTERLEAVED);
    let a = x[first];
    let b = x[second];
    y[first] = a * turn.x - b * turn.y;
    y[second] = b * turn.x + a * turn.y;
}
