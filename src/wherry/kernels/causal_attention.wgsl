// Causal attention over a cache, for heads that share keys: query i of row b sees the keys before
// lengths[b] - (queries - 1 - i), with WINDOWED only the last `window` of them. One workgroup for each query and head walks
// through the keys by 64, softmax taken along the way (Milakov and Gimelshein, 2018). Scores are capped where `cap` is not 0.
struct Params { queries: u32, keys: u32, state4: u32, past4: u32, sharing: u32, window: u32, scale: f32, cap: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<vec4<f32>>;             // (B, queries, heads, width)
@group(0) @binding(2) var<storage, read> k: array<vec4<f32>>;             // (B, keys, heads / sharing, width)
@group(0) @binding(3) var<storage, read> v: array<vec4<f32>>;             // (B, keys, heads / sharing, width)
@group(0) @binding(4) var<storage, read> lengths: array<i32>;             // (B,)
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;       // (B, queries, heads, width)
const WG = 64u;
const SLICES = WG / WIDTH4;                                               // lanes that share a column
var<workgroup> query: array<vec4<f32>, WIDTH4>;
var<workgroup> scores: array<f32, WG>;
var<workgroup> tops: array<f32, WG>;
var<workgroup> parts: array<vec4<f32>, WG>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let head = group.y;
    let row = group.z;
    let here = (row * params.queries + group.x) * params.state4 + head * WIDTH4;
    let past = row * params.keys * params.past4 + (head / params.sharing) * WIDTH4;
    for (var w = lane; w < WIDTH4; w += WG) {
        query[w] = q[here + w] * params.scale;
    }
    let seen = min(params.keys, u32(max(1, lengths[row] - i32(params.queries - 1u - group.x))));
    let first = select(0u, seen - min(seen, params.window), params.window > 0u);
    let column = lane % WIDTH4;
    let slice = lane / WIDTH4;
    var top = -1e30;
    var sum = 0.0;
    var y4 = vec4<f32>(0.0);
    workgroupBarrier();
    for (var start = first; start < seen; start += WG) {
        let t = start + lane;
        let at = past + min(t, seen - 1u) * params.past4;
        var s = 0.0;
        for (var w = 0u; w < WIDTH4; w++) {
            s += dot(query[w], k[at + w]);
        }
        if (params.cap > 0.0) {
            s = params.cap * tanh(clamp(s / params.cap, -15.0, 15.0));
        }
        s = select(-1e30, s, t < seen);
        tops[lane] = s;
        workgroupBarrier();
        for (var half = WG / 2u; half > 0u; half /= 2u) {
            if (lane < half) {
                tops[lane] = max(tops[lane], tops[lane + half]);
            }
            workgroupBarrier();
        }
        let new_top = max(top, tops[0]);
        let old = exp(top - new_top);
        let p = select(0.0, exp(s - new_top), t < seen);
        scores[lane] = p;
        sum = sum * old + p;
        top = new_top;
        y4 *= old;
        workgroupBarrier();
        if (slice < SLICES) {
            let count = min(WG, seen - start);
            for (var i = slice; i < count; i += SLICES) {
                y4 += scores[i] * v[past + (start + i) * params.past4 + column];
            }
        }
        workgroupBarrier();
    }
    tops[lane] = sum;
    parts[lane] = y4;
    workgroupBarrier();
    if (lane < WIDTH4) {
        var all = 0.0;
        for (var i = 0u; i < WG; i++) {
            all += tops[i];
        }
        for (var i = 1u; i < SLICES; i++) {
            y4 += parts[i * WIDTH4 + lane];
        }
        y[here + lane] = y4 / all;
    }
}
