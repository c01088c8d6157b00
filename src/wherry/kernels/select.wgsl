// y[i] = x[rows[i]]: whole rows of any shape.  One invocation for one number.
struct Params { count: u32, width: u32, height: u32, stride: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;                   // (height, width)
@group(0) @binding(2) var<storage, read> rows: array<i32>;                // (count / width,)
@group(0) @binding(3) var<storage, read_write> y: array<u32>;             // (count / width, width)

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3<u32>) {
    for (var i = at.x; i < params.count; i += params.stride) {
        let row = u32(clamp(rows[i / params.width], 0, i32(params.height) - 1));
        y[i] = x[row * params.width + i % params.width];
    }
}
