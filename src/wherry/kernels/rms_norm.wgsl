// y[r, c] = x[r, c] / sqrt(mean(x[r, :]^2) + eps) * weight[c] (+ residual[r, c]).  One workgroup per row.
struct Params { cols4: u32, eps: f32 }
override RESIDUAL: bool = false;
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // (rows, cols)
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;        // (cols,)
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;       // (rows, cols)
@group(0) @binding(4) var<storage, read> residual: array<vec4<f32>>;      // (rows, cols)
const WG = 64u;
var<workgroup> sums: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = (group.y * 32768u + group.x) * params.cols4;
    var squares = 0.0;
    for (var c = lane; c < params.cols4; c += WG) {
        let v = x[row + c];
        squares += dot(v, v);
    }
    sums[lane] = squares;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
    let scale = inverseSqrt(sums[0] / (4.0 * f32(params.cols4)) + params.eps);
    for (var c = lane; c < params.cols4; c += WG) {
        var v = x[row + c] * scale * weight[c];
        if (RESIDUAL) {
            v += residual[row + c];
        }
        y[row + c] = v;
    }
}
