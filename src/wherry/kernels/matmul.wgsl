// y = gelu(x @ weight.T + bias) + residual, where gelu, bias and residual are each optional.
// No workgroup memory and no barriers: each invocation holds 8 rows by 4 columns in registers. For drivers that compute on
// the CPU; `matmul_tiled` is for GPUs. Row r of x starts at (r / group) * group_stride4 + (r % group) * row_stride4, so
// that a convolution reads its overlapping windows in place.
struct Params { rows: u32, cols: u32, inner4: u32, group: u32, group_stride4: u32, row_stride4: u32 }
override BIAS: bool = false;
override GELU: bool = false;
override RESIDUAL: bool = false;
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // (rows, inner), strided
@group(0) @binding(3) var<storage, read> bias: array<f32>;                // (cols,)
@group(0) @binding(4) var<storage, read> residual: array<f32>;            // (rows, cols)
@group(0) @binding(5) var<storage, read_write> y: array<f32>;             // (rows, cols)

fn start_of(row: u32) -> u32 {
    let r = min(row, params.rows - 1u);
    return (r / params.group) * params.group_stride4 + (r % params.group) * params.row_stride4;
}

fn store(row: u32, col: u32, value: f32) {
    if (row >= params.rows || col >= params.cols) {
        return;
    }
    var v = value;
    if (BIAS) {
        v += bias[col];
    }
    if (GELU) {
        v = gelu(v);
    }
    if (RESIDUAL) {
        v += residual[row * params.cols + col];
    }
    y[row * params.cols + col] = v;
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) at: vec3<u32>) {
    let col = 4u * at.x;
    let row = 8u * at.y;
    if (col >= params.cols || row >= params.rows) {
        return;
    }
//unroll r 8
    let x$r = start_of(row + $ru);
    var sum$r = vec4<f32>(0.0);
//end r
//unroll c 4
    let w$c = min(col + $cu, params.cols - 1u) * params.inner4;
//end c
    for (var k = 0u; k < params.inner4; k++) {
//unroll c 4
        let b$c = weight4(w$c + k);
//end c
//unroll r 8
        let a$r = x[x$r + k];
        sum$r += vec4<f32>(dot(a$r, b0), dot(a$r, b1), dot(a$r, b2), dot(a$r, b3));
//end r
    }
//unroll r 8
//unroll c 4
    store(row + $ru, col + $cu, sum$r[$c]);
//end c
//end r
}
