// z = act(x) * y, where act is SiLU, or GELU as Gemma has it (by tanh).  One invocation for four numbers.
struct Params { count4: u32 }
override TANH: bool = false;
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> y: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> z: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = at.y * groups.x * 64u + at.x;
    if (i >= params.count4) {
        return;
    }
    let v = x[i];
    if (TANH) {
        let inner = clamp(0.7978845608 * (v + 0.044715 * v * v * v), vec4<f32>(-15.0), vec4<f32>(15.0));
        z[i] = 0.5 * v * (1.0 + tanh(inner)) * y[i];
    } else {
        z[i] = v / (1.0 + exp(-max(v, vec4<f32>(-80.0)))) * y[i];
    }
}
