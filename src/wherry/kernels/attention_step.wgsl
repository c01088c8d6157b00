// As `attention`, for few queries: a workgroup for each query and head, its lanes share the keys.
struct Params { queries: u32, keys: u32, state4: u32, group: u32, scale: f32 }
override CAUSAL: bool = false;
override KEYS: u32 = 1536;
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>;             // (B, queries, state)
@group(0) @binding(2) var<storage, read> k: array<vec4<f32>>;             // (A, keys, state)
@group(0) @binding(3) var<storage, read> v: array<vec4<f32>>;             // (A, keys, state)
@group(0) @binding(4) var<storage, read> lengths: array<i32>;             // (B,)
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;       // (B, queries, state)
const WG = 256u;
var<workgroup> scores: array<f32, KEYS>;
var<workgroup> parts: array<vec4<f32>, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let head = group.y * WIDTH4;
    let row = group.z;
    let n = params.state4;
    let past = (row / params.group) * params.keys * n + head;
    let here = (row * params.queries + group.x) * n + head;
    var seen = params.keys;
    if (CAUSAL) {
        seen = min(seen, u32(max(1, lengths[row] - i32(params.queries - 1u - group.x))));
    }
//unroll w WIDTH4
    let q$w = q[here + $wu] * params.scale;
//end w
    var top = -1e30;
    for (var t = lane; t < seen; t += WG) {
        let at = past + t * n;
        var s = 0.0;
//unroll w WIDTH4
        s += dot(q$w, k[at + $wu]);
//end w
        scores[t] = s;
        top = max(top, s);
    }
    parts[lane].x = top;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            parts[lane].x = max(parts[lane].x, parts[lane + half].x);
        }
        workgroupBarrier();
    }
    top = parts[0].x;
    workgroupBarrier();
    // Each lane takes one vec4 of the head's width, and every SLICES-th key.
    let column = lane % WIDTH4;
    let slice = lane / WIDTH4;
    const SLICES = WG / WIDTH4;
    var sum = 0.0;
    var y4 = vec4<f32>(0.0);
    if (slice < SLICES) {
        for (var t = slice; t < seen; t += SLICES) {
            let p = exp(scores[t] - top);
            sum += p;
            y4 += p * v[past + t * n + column];
        }
    }
    parts[lane] = y4;
    workgroupBarrier();
    if (lane < WIDTH4) {
        for (var i = 1u; i < SLICES; i++) {
            y4 += parts[i * WIDTH4 + lane];
        }
    }
    workgroupBarrier();
    parts[lane].x = sum;
    workgroupBarrier();
    if (lane < WIDTH4) {
        for (var i = 1u; i < SLICES; i++) {
            sum += parts[i * WIDTH4 + lane].x;
        }
        y[here + lane] = y4 / sum;
    }
}
