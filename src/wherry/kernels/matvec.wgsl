// y = gelu(norm(x) @ weight.T + bias) + residual for ROWS rows (1 to 8), where norm, gelu, bias and residual are optional.
// A workgroup of 64 makes 64 / LANES columns; every workgroup takes the layer norm of the short rows anew. With SPLITS, x is
// what `attend` left: for each row, head and split, HEAD4 vec4 of weighted values and one of (top score, sum of weights).
struct Params { cols: u32, inner4: u32, eps: f32 }
override NORM: bool = false;
override BIAS: bool = false;
override GELU: bool = false;
override RESIDUAL: bool = false;
override ROWS: u32 = 1;
override LANES: u32 = 16;
override SPLITS: u32 = 0;
override HEADS: u32 = 1;
override HEAD4: u32 = 16;
override STAGED: u32 = 1;                                                 // ROWS * inner4 where the joined rows fit, else 1
override SHARES: u32 = 1;                                                 // ROWS * HEADS * SPLITS, at least 1
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // (ROWS, inner)
@group(0) @binding(3) var<storage, read> bias: array<f32>;                // (cols,)
@group(0) @binding(4) var<storage, read> residual: array<f32>;            // (ROWS, cols)
@group(0) @binding(5) var<storage, read_write> y: array<f32>;             // (ROWS, cols)
@group(0) @binding(6) var<storage, read> norm_weight: array<vec4<f32>>;   // (inner,)
@group(0) @binding(7) var<storage, read> norm_bias: array<vec4<f32>>;     // (inner,)
const WG = 64u;
var<workgroup> moments: array<vec2<f32>, WG>;
var<workgroup> parts: array<f32, 512>;                                    // (ROWS, WG)
var<workgroup> found: array<vec2<f32>, SHARES>;                           // (ROWS, HEADS, SPLITS): top score, sum of weights
var<workgroup> shares: array<f32, SHARES>;                                // (ROWS, HEADS, SPLITS)
var<workgroup> staged: array<vec4<f32>, STAGED>;                          // (ROWS, inner), joined

// The sums of a row and of its squares.
fn both_sums(lane: u32, row: u32) -> vec2<f32> {
    var mine = vec2<f32>(0.0);
    for (var k = lane; k < params.inner4; k += 2u * WG) {
        let v = x[row * params.inner4 + k];
        let other = k + WG;
        let u = select(vec4<f32>(0.0), x[row * params.inner4 + min(other, params.inner4 - 1u)], other < params.inner4);
        mine += vec2<f32>(dot(v + u, vec4<f32>(1.0)), dot(v, v) + dot(u, u));
    }
    moments[lane] = mine;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            moments[lane] += moments[lane + half];
        }
        workgroupBarrier();
    }
    let all = moments[0];
    workgroupBarrier();
    return all;
}

// What part of its head's whole each split holds.
fn share_out(lane: u32) {
    for (var i = lane; i < SHARES; i += WG) {
        found[i] = x[i * (HEAD4 + 1u) + HEAD4].xy;
    }
    workgroupBarrier();
    for (var i = lane; i < SHARES; i += WG) {
        let head = i - i % max(SPLITS, 1u);        // SPLITS is 0 where nothing is to be joined
        var top = -1e30;
        for (var s = 0u; s < SPLITS; s++) {
            top = max(top, found[head + s].x);
        }
        var sum = 0.0;
        for (var s = 0u; s < SPLITS; s++) {
            sum += exp(found[head + s].x - top) * found[head + s].y;
        }
        shares[i] = exp(found[i].x - top) / sum;
    }
    workgroupBarrier();
}

fn joined(row: u32, k: u32) -> vec4<f32> {
    let head = row * HEADS + k / HEAD4;
    let at = head * SPLITS * (HEAD4 + 1u) + k % HEAD4;
    var sum = vec4<f32>(0.0);
//unroll s SPLITS
    sum += shares[head * SPLITS + $su] * x[at + $su * (HEAD4 + 1u)];
//end s
    return sum;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n = params.inner4;
    let col = (WG / LANES) * (group.y * 32768u + group.x) + lane / LANES;
    let w = min(col, params.cols - 1u) * n;
    if (SPLITS > 0u) {
        share_out(lane);
        for (var i = lane; i < STAGED; i += WG) {
            staged[i] = joined(i / n, i % n);
        }
        workgroupBarrier();
    }
//unroll r ROWS
    var mean$r = 0.0;
    var scale$r = 1.0;
    if (NORM) {
        let sums = both_sums(lane, $ru) / (4.0 * f32(n));
        mean$r = sums.x;
        scale$r = inverseSqrt(max(sums.y - sums.x * sums.x, 0.0) + params.eps);
    }
    var sum$r = 0.0;
//end r
    // Four loads under way at once: a load takes far longer than its arithmetic.
    for (var k = lane % LANES; k < n; k += 4u * LANES) {
//unroll j 4
        let k$j = min(k + $ju * LANES, n - 1u);
        let b$j = select(vec4<f32>(0.0), weight4(w + k$j), k + $ju * LANES < n);
//end j
//unroll r ROWS
//unroll j 4
        var a$r_$j = vec4<f32>(0.0);
        if (STAGED > 1u) {
            a$r_$j = staged[$ru * n + k$j];
        } else if (SPLITS > 0u) {
            a$r_$j = joined($ru, k$j);
        } else {
            a$r_$j = x[$ru * n + k$j];
        }
//end j
//end r
//unroll j 4
        var g$j = vec4<f32>(1.0);
        var h$j = vec4<f32>(0.0);
        if (NORM) {
            g$j = norm_weight[k$j];
            h$j = norm_bias[k$j];
        }
//end j
//unroll r ROWS
//unroll j 4
        if (NORM) {
            a$r_$j = (a$r_$j - mean$r) * scale$r * g$j + h$j;
        }
        sum$r += dot(a$r_$j, b$j);
//end j
//end r
    }
//unroll r ROWS
    parts[$ru * WG + lane] = sum$r;
//end r
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if (lane % LANES < half) {
//unroll r ROWS
            parts[$ru * WG + lane] += parts[$ru * WG + lane + half];
//end r
        }
        workgroupBarrier();
    }
    if (lane % LANES < ROWS && col < params.cols) {
        let row = lane % LANES;
        var v = parts[row * WG + lane - row];
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
}
