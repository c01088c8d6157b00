// y[r, c] = (x[r, c] - mean(x[r, :])) / sqrt(var(x[r, :]) + eps) * weight[c] + bias[c].  One workgroup per row.
struct Params { cols4: u32, eps: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // (rows, cols)
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;        // (cols,)
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;          // (cols,)
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;       // (rows, cols)
const WG = 64u;
var<workgroup> sums: array<f32, WG>;

fn total(lane: u32, mine: f32) -> f32 {
    workgroupBarrier();
    sums[lane] = mine;
    workgroupBarrier();
    var all = 0.0;
    for (var i = 0u; i < WG; i++) {
        all += sums[i];
    }
    return all;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = (group.y * 65535u + group.x) * params.cols4;
    let count = 4.0 * f32(params.cols4);
    var sum = vec4<f32>(0.0);
    for (var c = lane; c < params.cols4; c += WG) {
        sum += x[row + c];
    }
    let mean = total(lane, dot(sum, vec4<f32>(1.0))) / count;
    var squares = 0.0;
    for (var c = lane; c < params.cols4; c += WG) {
        let d = x[row + c] - mean;
        squares += dot(d, d);
    }
    let scale = inverseSqrt(total(lane, squares) / count + params.eps);
    for (var c = lane; c < params.cols4; c += WG) {
        y[row + c] = (x[row + c] - mean) * scale * weight[c] + bias[c];
    }
}
