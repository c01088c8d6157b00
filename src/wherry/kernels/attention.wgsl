// y = softmax(q k^T / sqrt(width)) v for each head, many queries: one invocation eight queries, softmax taken along the way
// (Milakov and Gimelshein, 2018, "Online normalizer calculation for softmax"), no workgroup memory. For drivers that compute on
// the CPU, where a load of each lane's own costs as much as several products: eight queries share those of k and v.
// With CAUSAL, query i of row b sees the keys before lengths[b] - (queries - 1 - i).
struct Params { queries: u32, keys: u32, state4: u32, group: u32, scale: f32 }
override CAUSAL: bool = false;
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>;             // (B, queries, state)
@group(0) @binding(2) var<storage, read> k: array<vec4<f32>>;             // (A, keys, state)
@group(0) @binding(3) var<storage, read> v: array<vec4<f32>>;             // (A, keys, state)
@group(0) @binding(4) var<storage, read> lengths: array<i32>;             // (B,)
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;       // (B, queries, state)

fn seen_by(query: u32, row: u32) -> u32 {
    if (CAUSAL) {
        return min(params.keys, u32(max(1, lengths[row] - i32(params.queries - 1u - min(query, params.queries - 1u)))));
    }
    return params.keys;
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let query = 8u * (8u * group.x + lane);
    let head = group.y * WIDTH4;
    let row = group.z;
    if (query >= params.queries) {
        return;
    }
    let n = params.state4;
    let past = (row / params.group) * params.keys * n + head;
    let seen = seen_by(query + 7u, row);  // the last of the eight sees most
//unroll r 8
    let here$r = (row * params.queries + min(query + $ru, params.queries - 1u)) * n + head;
    let seen$r = seen_by(query + $ru, row);
    var top$r = -1e30;
    var sum$r = 0.0;
//unroll w WIDTH4
    let q$r_$w = q[here$r + $wu] * params.scale;
    var y$r_$w = vec4<f32>(0.0);
//end w
//end r
    for (var t = 0u; t < seen; t += 4u) {
//unroll j 4
        let at$j = past + min(t + $ju, seen - 1u) * n;
//unroll r 8
        var s$r_$j = 0.0;
//end r
//end j
//unroll w WIDTH4
//unroll j 4
        let k$w_$j = k[at$j + $wu];
//unroll r 8
        s$r_$j += dot(q$r_$w, k$w_$j);
//end r
//end j
//end w
//unroll r 8
//unroll j 4
        s$r_$j = select(-1e30, s$r_$j, t + $ju < seen$r);
//end j
        let new$r = max(max(top$r, s$r_0), max(s$r_1, max(s$r_2, s$r_3)));
        let old$r = exp(top$r - new$r);
//unroll j 4
        let p$r_$j = exp(s$r_$j - new$r);
//end j
        sum$r = sum$r * old$r + p$r_0 + p$r_1 + p$r_2 + p$r_3;
        top$r = new$r;
//end r
//unroll w WIDTH4
//unroll j 4
        let v$w_$j = v[at$j + $wu];
//end j
//unroll r 8
        y$r_$w = y$r_$w * old$r + p$r_0 * v$w_0 + p$r_1 * v$w_1 + p$r_2 * v$w_2 + p$r_3 * v$w_3;
//end r
//end w
    }
//unroll r 8
    if (query + $ru < params.queries) {
//unroll w WIDTH4
        y[here$r + $wu] = y$r_$w / sum$r;
//end w
    }
//end r
}
