// As `attention`, for GPUs: a workgroup takes 32 queries, eight invocations each, which share the keys and join what they found.
struct Params { queries: u32, keys: u32, state4: u32, group: u32, scale: f32 }
override CAUSAL: bool = false;
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>;             // (B, queries, state)
@group(0) @binding(2) var<storage, read> k: array<vec4<f32>>;             // (A, keys, state)
@group(0) @binding(3) var<storage, read> v: array<vec4<f32>>;             // (A, keys, state)
@group(0) @binding(4) var<storage, read> lengths: array<i32>;             // (B,)
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;       // (B, queries, state)

const PARTS = 8u;
var<workgroup> tops: array<vec2<f32>, 32>;                                // of each query: top score, sum
var<workgroup> found: array<vec4<f32>, 32u * WIDTH4>;                     // of each query: weighted values

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let slot = lane % 32u;
    let part = lane / 32u;
    let query = min(32u * group.x + slot, params.queries - 1u);
    let head = group.y * WIDTH4;
    let row = group.z;
    let n = params.state4;
    let past = (row / params.group) * params.keys * n + head;
    let here = (row * params.queries + query) * n + head;
    var seen = params.keys;
    if (CAUSAL) {
        seen = min(seen, u32(max(1, lengths[row] - i32(params.queries - 1u - query))));
    }
//unroll w WIDTH4
    let q$w = q[here + $wu] * params.scale;
    var y$w = vec4<f32>(0.0);
//end w
    var top = -1e30;
    var sum = 0.0;
    for (var t = 4u * part; t < seen; t += 4u * PARTS) {
//unroll j 4
        let at$j = past + min(t + $ju, seen - 1u) * n;
        var s$j = 0.0;
//end j
//unroll w WIDTH4
//unroll j 4
        s$j += dot(q$w, k[at$j + $wu]);
//end j
//end w
//unroll j 4
        s$j = select(-1e30, s$j, t + $ju < seen);
//end j
        let new_top = max(max(top, s0), max(s1, max(s2, s3)));
        let old = exp(top - new_top);
//unroll j 4
        let p$j = exp(s$j - new_top);
//end j
        sum = sum * old + p0 + p1 + p2 + p3;
        top = new_top;
//unroll w WIDTH4
        y$w = y$w * old + p0 * v[at0 + $wu] + p1 * v[at1 + $wu] + p2 * v[at2 + $wu] + p3 * v[at3 + $wu];
//end w
    }
    for (var other = 1u; other < PARTS; other++) {
        workgroupBarrier();
        if (part == other) {
            tops[slot] = vec2<f32>(top, sum);
//unroll w WIDTH4
            found[slot * WIDTH4 + $wu] = y$w;
//end w
        }
        workgroupBarrier();
        if (part == 0u) {
            let theirs = tops[slot];
            let new_top = max(top, theirs.x);
            let mine = exp(top - new_top);
            let weight = exp(theirs.x - new_top);
            sum = sum * mine + theirs.y * weight;
            top = new_top;
//unroll w WIDTH4
            y$w = y$w * mine + found[slot * WIDTH4 + $wu] * weight;
//end w
        }
    }
    if (part == 0u && 32u * group.x + slot < params.queries) {
//unroll w WIDTH4
        y[here + $wu] = y$w / sum;
//end w
    }
}
