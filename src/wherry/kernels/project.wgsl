// y[r, first + c] = scale(r) (x[r] * norm_weight) . weight[c] (+ bias[c]) (+ residual[r, first + c]) for one to three weights, whose
// columns lie side by side; scale is a root mean square norm's, taken along the way. With GATE, a row of the first weight and one
// of the second make a column: silu(a . x) * (b . x), or with GELU by tanh. A workgroup of 64 makes 64 / LANES columns of ROWS rows.
// What a row becomes depends on no other row and on no number of rows: texts are answered alike alone and among others.
struct Params { inner4: u32, rows: u32, a: u32, b: u32, c: u32, stride: u32, first: u32, eps: f32 }
override ROWS: u32 = 1;
override NORM: bool = false;
override BIAS: bool = false;
override RESIDUAL: bool = false;
override GATE: u32 = 0;                                                   // 1: silu, 2: gelu
override LANES: u32 = 16;
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // (rows, inner)
@group(0) @binding(5) var<storage, read> norm_weight: array<vec4<f32>>;   // (inner,)
@group(0) @binding(6) var<storage, read> bias: array<f32>;                // (a + b + c,)
@group(0) @binding(7) var<storage, read> residual: array<f32>;            // (rows, stride)
@group(0) @binding(8) var<storage, read_write> y: array<f32>;             // (rows, stride)
const WG = 64u;
var<workgroup> sums: array<f32, 512>;                                     // (ROWS, WG)
var<workgroup> others: array<f32, 512>;
var<workgroup> squares: array<f32, 512>;

fn weight_of(col: u32, k: u32) -> vec4<f32> {
    if (GATE > 0u || col < params.a) {
        return weight_a4(col * params.inner4 + k);
    }
    if (col < params.a + params.b) {
        return weight_b4((col - params.a) * params.inner4 + k);
    }
    return weight_c4((col - params.a - params.b) * params.inner4 + k);
}

fn gated(a: f32, b: f32) -> f32 {
    if (GATE == 2u) {
        return 0.5 * a * (1.0 + tanh(clamp(0.7978845608 * (a + 0.044715 * a * a * a), -15.0, 15.0))) * b;
    }
    return a / (1.0 + exp(-max(a, -80.0))) * b;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n = params.inner4;
    let cols = select(params.a + params.b + params.c, params.a, GATE > 0u);
    let col = (WG / LANES) * (group.y * 32768u + group.x) + lane / LANES;
    let here = min(col, cols - 1u);
    let row = group.z * ROWS;
//unroll r ROWS
    let x$r = min(row + $ru, params.rows - 1u) * n;
    var sum$r = 0.0;
    var other$r = 0.0;
    var square$r = 0.0;
//end r
    // Four loads under way at once: a load takes far longer than its arithmetic.
    for (var k = lane % LANES; k < n; k += 4u * LANES) {
//unroll j 4
        let k$j = min(k + $ju * LANES, n - 1u);
        let in$j = select(0.0, 1.0, k + $ju * LANES < n);
        var g$j = vec4<f32>(in$j);
        if (NORM) {
            g$j *= norm_weight[k$j];
        }
        let b$j = weight_of(here, k$j) * g$j;
        var e$j = vec4<f32>(0.0);
        if (GATE > 0u) {
            e$j = weight_b4(here * n + k$j) * g$j;
        }
//end j
//unroll r ROWS
//unroll j 4
        let v$r_$j = x[x$r + k$j];
        sum$r += dot(v$r_$j, b$j);
        if (GATE > 0u) {
            other$r += dot(v$r_$j, e$j);
        }
        if (NORM) {
            square$r += in$j * dot(v$r_$j, v$r_$j);
        }
//end j
//end r
    }
    if (LANES > 1u) {
//unroll r ROWS
        sums[$ru * WG + lane] = sum$r;
        others[$ru * WG + lane] = other$r;
        squares[$ru * WG + lane] = square$r;
//end r
        workgroupBarrier();
        for (var half = LANES / 2u; half > 0u; half /= 2u) {
            if (lane % LANES < half) {
//unroll r ROWS
                sums[$ru * WG + lane] += sums[$ru * WG + lane + half];
                if (GATE > 0u) {
                    others[$ru * WG + lane] += others[$ru * WG + lane + half];
                }
                if (NORM) {
                    squares[$ru * WG + lane] += squares[$ru * WG + lane + half];
                }
//end r
            }
            workgroupBarrier();
        }
//unroll r ROWS
        sum$r = sums[$ru * WG + lane];
        other$r = others[$ru * WG + lane];
        square$r = squares[$ru * WG + lane];
//end r
    }
    if (lane % LANES != 0u || col >= cols) {
        return;
    }
//unroll r ROWS
    if (row + $ru < params.rows) {
        var v = sum$r;
        var scale = 1.0;
        if (NORM) {
            scale = inverseSqrt(square$r / (4.0 * f32(n)) + params.eps);
            v *= scale;
        }
        if (BIAS) {
            v += bias[col];
        }
        if (GATE > 0u) {
            v = gated(v, other$r * scale);
        }
        let at = (row + $ru) * params.stride + params.first + col;
        if (RESIDUAL) {
            v += residual[at];
        }
        y[at] = v;
    }
//end r
}
