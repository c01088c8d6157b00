// One step of attention with all that surrounds it: q = norm(x) @ query.T + bias, then attention over the keys, for one query
// a row. A workgroup takes one head, and one of SPLITS parts of the keys. With SELF it makes the new key and value as well
// and puts them at the end of the cache (SPLITS is 1 then); without, keys and values are another sequence's.
struct Params { keys: u32, group: u32, scale: f32, eps: f32 }
override SELF: bool = false;
override SPLITS: u32 = 1;
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // (B, state)
@group(0) @binding(3) var<storage, read> vectors: array<vec4<f32>>;       // (4, state): norm weight, norm bias, q bias, v bias
@group(0) @binding(4) var<storage, read> lengths: array<i32>;             // (B,) SELF: keys, the new one included
@group(0) @binding(5) var<storage, read_write> keys: array<vec4<f32>>;    // (A, keys, state)
@group(0) @binding(6) var<storage, read_write> values: array<vec4<f32>>;  // (A, keys, state)
@group(0) @binding(7) var<storage, read_write> y: array<vec4<f32>>;       // (B, heads, SPLITS, WIDTH4 + 1), see `matvec`
const WG = 256u;
const WIDTH = 4u * WIDTH4;
const SLICES = WG / WIDTH4;
var<workgroup> parts: array<vec4<f32>, WG>;
var<workgroup> normed: array<vec4<f32>, STATE4>;
var<workgroup> made: array<vec4<f32>, WIDTH>;                             // q, new k, new v of each dimension
var<workgroup> query: array<vec4<f32>, WIDTH4>;
var<workgroup> scores: array<f32, SPAN>;

fn sum_parts(lane: u32, mine: vec4<f32>) -> vec4<f32> {
    parts[lane] = mine;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            parts[lane] += parts[lane + half];
        }
        workgroupBarrier();
    }
    let all = parts[0];
    workgroupBarrier();
    return all;
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32
) {
    let head = group.x;
    let row = group.z;
    // The layer norm of the whole row.
    var moments = vec4<f32>(0.0);
    for (var i = lane; i < STATE4; i += WG) {
        let v = x[row * STATE4 + i];
        moments += vec4<f32>(dot(v, vec4<f32>(1.0)), dot(v, v), 0.0, 0.0);
    }
    moments = sum_parts(lane, moments) / f32(4u * STATE4);
    let spread = inverseSqrt(max(moments.y - moments.x * moments.x, 0.0) + params.eps);
    for (var i = lane; i < STATE4; i += WG) {
        normed[i] = (x[row * STATE4 + i] - moments.x) * spread * vectors[i] + vectors[STATE4 + i];
    }
    workgroupBarrier();
    // This head's query, key and value: four lanes for each of their dimensions.
    for (var first = 0u; first < WIDTH; first += WG / 4u) {
        let d = first + lane / 4u;
        var sums = vec4<f32>(0.0);
        if (d < WIDTH) {
            let w = (head * WIDTH + d) * STATE4;
            // Eight loads of each weight under way at once: a load takes far longer than its arithmetic.
            for (var i = lane % 4u; i < STATE4; i += 32u) {
//unroll j 8
                let i$j = min(i + 4u * $ju, STATE4 - 1u);
                let q$j = weight4(w + i$j);
                var k$j = vec4<f32>(0.0);
                var v$j = vec4<f32>(0.0);
                if (SELF) {
                    k$j = key_weight4(w + i$j);
                    v$j = value_weight4(w + i$j);
                }
//end j
//unroll j 8
                let a$j = select(vec4<f32>(0.0), normed[i$j], i + 4u * $ju < STATE4);
                sums += vec4<f32>(dot(a$j, q$j), dot(a$j, k$j), dot(a$j, v$j), 0.0);
//end j
            }
        }
        parts[lane] = sums;
        workgroupBarrier();
        if (lane % 4u == 0u && d < WIDTH) {
            let at = head * WIDTH + d;
            let bias = vec4<f32>(vectors[2u * STATE4 + at / 4u][at % 4u], 0.0, vectors[3u * STATE4 + at / 4u][at % 4u], 0.0);
            made[d] = parts[lane] + parts[lane + 1u] + parts[lane + 2u] + parts[lane + 3u] + bias;
        }
        workgroupBarrier();
    }
    if (lane < WIDTH4) {
        let d = 4u * lane;
        query[lane] = params.scale * vec4<f32>(made[d].x, made[d + 1u].x, made[d + 2u].x, made[d + 3u].x);
    }
    workgroupBarrier();
    var seen = params.keys;
    let past = (row / params.group) * params.keys * STATE4 + head * WIDTH4;
    if (SELF) {
        seen = clamp(u32(max(lengths[row], 1)), 1u, params.keys);
        if (lane < WIDTH4) {
            let at = past + (seen - 1u) * STATE4 + lane;
            let d = 4u * lane;
            keys[at] = vec4<f32>(made[d].y, made[d + 1u].y, made[d + 2u].y, made[d + 3u].y);
            values[at] = vec4<f32>(made[d].z, made[d + 1u].z, made[d + 2u].z, made[d + 3u].z);
        }
        storageBarrier();
        workgroupBarrier();
    }
    // Scores of this part of the keys.
    let start = min(group.y * SPAN, seen);
    let count = min(SPAN, seen - start);
    var top = -1e30;
    for (var t = lane; t < count; t += WG) {
        let at = past + (start + t) * STATE4;
        var s = 0.0;
//unroll w WIDTH4
        s += dot(query[$wu], keys[at + $wu]);
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
    for (var t = lane; t < count; t += WG) {
        scores[t] = exp(scores[t] - top);
    }
    workgroupBarrier();
    // Each lane takes one vec4 of the head's width, and every SLICES-th key.
    let column = lane % WIDTH4;
    let slice = lane / WIDTH4;
    var sum = 0.0;
    var y4 = vec4<f32>(0.0);
    if (slice < SLICES) {
        for (var t = slice; t < count; t += 8u * SLICES) {
//unroll j 8
            let t$j = min(t + $ju * SLICES, count - 1u);
            let v$j = values[past + (start + t$j) * STATE4 + column];
//end j
//unroll j 8
            let p$j = select(0.0, scores[t$j], t + $ju * SLICES < count);
            sum += p$j;
            y4 += p$j * v$j;
//end j
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
        let out = ((row * groups.x + head) * SPLITS + group.y) * (WIDTH4 + 1u);
        y[out + lane] = y4;
        if (lane == 0u) {
            y[out + WIDTH4] = vec4<f32>(top, sum, 0.0, 0.0);
        }
    }
}
