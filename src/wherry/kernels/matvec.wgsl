// y = gelu(norm(x) @ weight.T + bias) + residual for ROWS rows (1 to 8), where norm, gelu, bias and residual are optional.
// A workgroup makes 4 columns, 16 lanes each; every workgroup takes the layer norm of the short rows anew.
struct Params { cols: u32, inner4: u32, eps: f32 }
override NORM: bool = false;
override BIAS: bool = false;
override GELU: bool = false;
override RESIDUAL: bool = false;
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // (ROWS, inner)
@group(0) @binding(3) var<storage, read> bias: array<f32>;                // (cols,)
@group(0) @binding(4) var<storage, read> residual: array<f32>;            // (ROWS, cols)
@group(0) @binding(5) var<storage, read_write> y: array<f32>;             // (ROWS, cols)
@group(0) @binding(6) var<storage, read> norm_weight: array<vec4<f32>>;   // (inner,)
@group(0) @binding(7) var<storage, read> norm_bias: array<vec4<f32>>;     // (inner,)
override ROWS: u32 = 1;
const WG = 64u;
const LANES = 16u;
var<workgroup> parts: array<f32, 512>;                                    // (WG, ROWS)

fn total(lane: u32, row: u32, mine: f32) -> f32 {
    parts[row * WG + lane] = mine;
    workgroupBarrier();
    var all = 0.0;
    for (var i = 0u; i < WG; i++) {
        all += parts[row * WG + i];
    }
    workgroupBarrier();
    return all;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n = params.inner4;
    let col = 4u * (group.y * 32768u + group.x) + lane / LANES;
    let w = min(col, params.cols - 1u) * n;
//unroll r ROWS
    var mean$r = 0.0;
    var scale$r = 1.0;
    if (NORM) {
        var sum = vec4<f32>(0.0);
        for (var k = lane; k < n; k += WG) {
            sum += x[$ru * n + k];
        }
        mean$r = total(lane, $ru, dot(sum, vec4<f32>(1.0))) / (4.0 * f32(n));
        var squares = 0.0;
        for (var k = lane; k < n; k += WG) {
            let d = x[$ru * n + k] - mean$r;
            squares += dot(d, d);
        }
        scale$r = inverseSqrt(total(lane, $ru, squares) / (4.0 * f32(n)) + params.eps);
    }
    var sum$r = 0.0;
//end r
    for (var k = lane % LANES; k < n; k += LANES) {
        let b = weight4(w + k);
        var g = vec4<f32>(1.0);
        var h = vec4<f32>(0.0);
        if (NORM) {
            g = norm_weight[k];
            h = norm_bias[k];
        }
//unroll r ROWS
        var a$r = x[$ru * n + k];
        if (NORM) {
            a$r = (a$r - mean$r) * scale$r * g + h;
        }
        sum$r += dot(a$r, b);
//end r
    }
//unroll r ROWS
    parts[$ru * WG + lane] = sum$r;
//end r
    workgroupBarrier();
    if (lane < 4u * ROWS) {
        let row = lane / 4u;
        let c = 4u * (group.y * 32768u + group.x) + lane % 4u;
        if (c < params.cols) {
            var v = 0.0;
            for (var i = 0u; i < LANES; i++) {
                v += parts[row * WG + (lane % 4u) * LANES + i];
            }
            if (BIAS) {
                v += bias[c];
            }
            if (GELU) {
                v = gelu(v);
            }
            if (RESIDUAL) {
                v += residual[row * params.cols + c];
            }
            y[row * params.cols + c] = v;
        }
    }
}
