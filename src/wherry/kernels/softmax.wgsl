// y[r, :] = softmax(x[r, :]).  One workgroup per row.
struct Params { cols: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;                   // (rows, cols)
@group(0) @binding(2) var<storage, read_write> y: array<f32>;             // (rows, cols)
const WG = 256u;
var<workgroup> parts: array<f32, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x * params.cols;
    var top = -3.4e38;
    for (var c = lane; c < params.cols; c += WG) {
        top = max(top, x[row + c]);
    }
    parts[lane] = top;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            parts[lane] = max(parts[lane], parts[lane + half]);
        }
        workgroupBarrier();
    }
    top = parts[0];
    workgroupBarrier();
    var sum = 0.0;
    for (var c = lane; c < params.cols; c += WG) {
        sum += exp(x[row + c] - top);
    }
    parts[lane] = sum;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            parts[lane] += parts[lane + half];
        }
        workgroupBarrier();
    }
    sum = parts[0];
    for (var c = lane; c < params.cols; c += WG) {
        y[row + c] = exp(x[row + c] - top) / sum;
    }
}
