// y = most * tanh(x / most).  One invocation for one number.
struct Params { count: u32, most: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = at.y * groups.x * 64u + at.x;
    if (i < params.count) {
        y[i] = params.most * tanh(clamp(x[i] / params.most, -15.0, 15.0));
    }
}
