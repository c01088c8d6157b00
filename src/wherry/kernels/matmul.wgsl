// y = gelu(x @ weight.T + bias) + residual, where gelu, bias and residual are each optional.
// No workgroup memory and no barriers: each invocation holds ROWS rows by COLS columns. For drivers that compute on
// the CPU; `matmul_tiled` is for GPUs. Row r of x starts at (r / group) * group_stride4 + (r % group) * row_stride4, so
// that a convolution reads its overlapping windows in place.
struct Params { rows: u32, cols: u32, inner4: u32, group: u32, group_stride4: u32, row_stride4: u32 }
override ROWS: u32 = 8;
override COLS: u32 = 8;
override LINES: u32 = 8;                                                  // of a workgroup, ROWS each
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

@compute @workgroup_size(8, LINES)
fn main(@builtin(global_invocation_id) at: vec3<u32>) {
    let col = COLS * at.x;
    let row = ROWS * at.y;
    if (col >= params.cols || row >= params.rows) {
        return;
    }
//unroll r ROWS
    let x$r = start_of(row + $ru);
//unroll c COLS
    var sum$r_$c = 0.0;
//end c
//end r
//unroll c COLS
    let w$c = min(col + $cu, params.cols - 1u) * params.inner4;
//end c
    for (var k = 0u; k < params.inner4; k++) {
//unroll c COLS
        let b$c = weight4(w$c + k);
//end c
//unroll r ROWS
        let a$r = x[x$r + k];
//unroll c COLS
        sum$r_$c += dot(a$r, b$c);
//end c
//end r
    }
//unroll r ROWS
//unroll c COLS
    store(row + $ru, col + $cu, sum$r_$c);
//end c
//end r
}
