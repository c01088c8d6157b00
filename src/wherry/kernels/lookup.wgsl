// y[r] = scale * table[tokens[r] - first].  One invocation for four numbers.
struct Params { count4: u32, state4: u32, vocab: u32, first: u32, part: u32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> tokens: array<i32>;              // (rows,)
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;       // (rows, state)

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = at.y * groups.x * 64u + at.x;
    if (i >= params.count4) {
        return;
    }
    let whole = tokens[i / params.state4] - i32(params.first);
    if (params.part > 0u && (whole < 0 || whole >= i32(params.vocab))) {
        return;                                                           // another part of the table has it
    }
    let token = clamp(whole, 0, i32(params.vocab) - 1);
    y[i] = params.scale * weight4(u32(token) * params.state4 + i % params.state4);
}
