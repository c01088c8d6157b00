// As `matmul`, for GPUs: a workgroup of 128 makes a tile of 64 rows by 64 columns, 8 by 4 each, from workgroup memory.
struct Params { rows: u32, cols: u32, inner4: u32, group: u32, group_stride4: u32, row_stride4: u32 }
override BIAS: bool = false;
override GELU: bool = false;
override RESIDUAL: bool = false;
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // (rows, inner), strided
@group(0) @binding(3) var<storage, read> bias: array<f32>;                // (cols,)
@group(0) @binding(4) var<storage, read> residual: array<f32>;            // (rows, cols)
@group(0) @binding(5) var<storage, read_write> y: array<f32>;             // (rows, cols)
const WIDTH = 68u;                                                        // 64 and a pad against bank conflicts
var<workgroup> left: array<f32, 16u * WIDTH>;                             // (16 of inner, 64 rows)
var<workgroup> right: array<f32, 16u * WIDTH>;                            // (16 of inner, 64 columns)

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

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) tile: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let k_lane = lane % 4u;           // which vec4 of the 16
    let line = lane / 4u;             // which of 32 rows or columns; the other 32 follow
    let x0 = start_of(64u * tile.y + line);
    let x1 = start_of(64u * tile.y + line + 32u);
    let w0 = min(64u * tile.x + line, params.cols - 1u) * params.inner4;
    let w1 = min(64u * tile.x + line + 32u, params.cols - 1u) * params.inner4;
    let column = 4u * (lane % 16u);   // this invocation's 4 columns and 8 rows of the tile
    let row = 8u * (lane / 16u);
//unroll r 8
    var sum$r = vec4<f32>(0.0);
//end r
    for (var k = 0u; k < params.inner4; k += 4u) {
        var a0 = vec4<f32>(0.0);
        var a1 = vec4<f32>(0.0);
        var b0 = vec4<f32>(0.0);
        var b1 = vec4<f32>(0.0);
        if (k + k_lane < params.inner4) {
            a0 = x[x0 + k + k_lane];
            a1 = x[x1 + k + k_lane];
            b0 = weight4(w0 + k + k_lane);
            b1 = weight4(w1 + k + k_lane);
        }
        workgroupBarrier();
//unroll j 4
        left[(4u * k_lane + $ju) * WIDTH + line] = a0[$j];
        left[(4u * k_lane + $ju) * WIDTH + line + 32u] = a1[$j];
        right[(4u * k_lane + $ju) * WIDTH + line] = b0[$j];
        right[(4u * k_lane + $ju) * WIDTH + line + 32u] = b1[$j];
//end j
        workgroupBarrier();
        for (var j = 0u; j < 16u; j++) {
            let at = j * WIDTH;
            let b = vec4<f32>(right[at + column], right[at + column + 1u], right[at + column + 2u], right[at + column + 3u]);
//unroll r 8
            sum$r += left[at + row + $ru] * b;
//end r
        }
    }
//unroll r 8
//unroll c 4
    store(64u * tile.y + row + $ru, 64u * tile.x + column + $cu, sum$r[$c]);
//end c
//end r
}
