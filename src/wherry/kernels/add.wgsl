// z[b, i] = x[b, i] + y[i].  One invocation for four numbers.
struct Params { count4: u32, period4: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // (B, n)
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;             // (n,)
@group(0) @binding(3) var<storage, read_write> z: array<vec4<f32>>;       // (B, n)

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3<u32>) {
    if (at.x < params.count4) {
        z[at.x] = x[at.x] + y[at.x % params.period4];
    }
}
