// Causal attention over keys and values in pages (Kwon et al., 2023), for heads that share keys: query i of row b sees the keys
// before length(b) - (queries - 1 - i), the last `window` of them where it is not 0. One workgroup for each query and head.
// With FRESH there is one query, and q holds what the products left, q, k and v side by side: they are normed (NORMS) and rotated
// here, and the new key and value stored. A page holds PAGE tokens, of each the key's halves, then the value's.
struct Params {
    queries: u32, sharing: u32, stride: u32, row: u32, state: u32, past4: u32, window: u32, pairs: u32, places: u32,
    scale: f32, cap: f32, eps: f32
}
override FRESH: bool = false;
override NORMS: bool = false;
override INTERLEAVED: bool = false;
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;                   // (B, queries, state): heads * WIDTH and, FRESH, k and v
@group(0) @binding(2) var<storage, read> norms: array<f32>;               // (2, WIDTH): of queries, of keys
@group(0) @binding(3) var<storage, read> table: array<vec2<f32>>;         // (places, pairs) of cosine, sine
@group(0) @binding(4) var<storage, read> rows: array<i32>;                // (rows, stride): length first, pages from PAGES on
@group(0) @binding(5) var<storage, read_write> cache: array<vec2<u32>>;   // (pages, PAGE, 2, past4): four halves each
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;       // (B, queries, heads, WIDTH)
const WG = 256u;
const WIDTH4 = WIDTH / 4u;
const SLICES = WG / WIDTH4;                                               // lanes that share a column
const CHUNK = 256u;                                                       // keys whose scores are held at once: one a lane
const SHARERS = 4u;                                                       // neighbouring lanes that share a key's numbers
var<workgroup> query: array<vec4<f32>, WIDTH4>;
var<workgroup> key: array<vec2<u32>, WIDTH4>;
var<workgroup> value: array<vec2<u32>, WIDTH4>;
var<workgroup> scores: array<f32, CHUNK>;
var<workgroup> dots: array<f32, CHUNK * SHARERS>;
var<workgroup> tops: array<f32, WG>;
var<workgroup> parts: array<vec4<f32>, WG>;

fn wide(x: vec2<u32>) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(x.x), unpack2x16float(x.y));
}

fn packed(x: vec4<f32>) -> vec2<u32> {
    return vec2<u32>(pack2x16float(x.xy), pack2x16float(x.zw));
}

// Where token t of this row lies: its key.
fn at_token(row: u32, t: u32) -> u32 {
    let page = u32(rows[row * params.stride + PAGES + t / PAGE]);
    return (page * PAGE + t % PAGE) * 2u * params.past4;
}

// The norms of two heads, by all lanes.
fn norms_of(lane: u32, mine: u32, keys: u32) -> vec2<f32> {
    if (!NORMS) {
        return vec2<f32>(1.0);
    }
    var sum = vec2<f32>(0.0);
    for (var i = lane; i < WIDTH; i += WG) {
        let both = vec2<f32>(q[mine + i], q[keys + i]);
        sum += both * both;
    }
    parts[lane] = vec4<f32>(sum, 0.0, 0.0);
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            parts[lane] += parts[lane + half];
        }
        workgroupBarrier();
    }
    return inverseSqrt(parts[0].xy / f32(WIDTH) + params.eps);
}

fn element(head: u32, i: u32, norm: u32) -> f32 {
    if (NORMS) {
        return q[head + i] * norms[norm + i];
    }
    return q[head + i];
}

// Number i of the head, rotated to its place.
fn turned(head: u32, i: u32, norm: u32, place: u32) -> f32 {
    if (i >= 2u * params.pairs) {
        return element(head, i, norm);
    }
    let pair = select(i % params.pairs, i / 2u, INTERLEAVED);
    let first = select(pair, 2u * pair, INTERLEAVED);
    let a = element(head, first, norm);
    let b = element(head, first + select(params.pairs, 1u, INTERLEAVED), norm);
    let turn = table[min(place, params.places - 1u) * params.pairs + pair];
    return select(a * turn.x - b * turn.y, b * turn.x + a * turn.y, i != first);
}

fn turned4(head: u32, i: u32, norm: u32, place: u32) -> vec4<f32> {
    return vec4<f32>(
        turned(head, i, norm, place), turned(head, i + 1u, norm, place),
        turned(head, i + 2u, norm, place), turned(head, i + 3u, norm, place)
    );
}

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32
) {
    let row = group.z + params.row;
    let length = rows[row * params.stride];
    if (length <= 0) {
        return;                                                           // nobody's row
    }
    let head = group.y;
    let shared_by = head / params.sharing;
    let here = (group.z * params.queries + group.x) * params.state;
    let seen = u32(max(1, length - i32(params.queries - 1u - group.x)));
    let first = select(0u, seen - min(seen, params.window), params.window > 0u);
    let last = seen - 1u;
    if (FRESH) {
        let keys = here + groups.y * WIDTH + shared_by * WIDTH;
        let values = keys + params.past4 * 4u;
        let mine = here + head * WIDTH;
        let norm = norms_of(lane, mine, keys);
        if (lane < WIDTH4) {
            query[lane] = turned4(mine, 4u * lane, 0u, last) * (params.scale * norm.x);
            let k = packed(turned4(keys, 4u * lane, WIDTH, last) * norm.y);
            let v0 = values + 4u * lane;
            let v = packed(vec4<f32>(q[v0], q[v0 + 1u], q[v0 + 2u], q[v0 + 3u]));
            key[lane] = k;
            value[lane] = v;
            if (head % params.sharing == 0u) {
                let at = at_token(row, last) + shared_by * WIDTH4 + lane;
                cache[at] = k;
                cache[at + params.past4] = v;
            }
        }
    } else if (lane < WIDTH4) {
        let at = here + head * WIDTH + 4u * lane;
        query[lane] = vec4<f32>(q[at], q[at + 1u], q[at + 2u], q[at + 3u]) * params.scale;
    }
    let column = lane % WIDTH4;
    let slice = lane / WIDTH4;
    var top = -1e30;
    var sum = 0.0;
    var y4 = vec4<f32>(0.0);
    workgroupBarrier();
    for (var start = first; start < seen; start += CHUNK) {
        let count = min(CHUNK, seen - start);
        for (var t = lane / SHARERS; t < count; t += WG / SHARERS) {
            let at = at_token(row, start + t) + shared_by * WIDTH4;
            let fresh = FRESH && start + t == last;                       // another workgroup may be storing it
            var s = 0.0;
            for (var w = lane % SHARERS; w < WIDTH4; w += SHARERS) {
                var k = key[w];
                if (!fresh) {
                    k = cache[at + w];
                }
                s += dot(query[w], wide(k));
            }
            dots[t * SHARERS + lane % SHARERS] = s;
        }
        workgroupBarrier();
        var s = (dots[lane * SHARERS] + dots[lane * SHARERS + 1u]) + (dots[lane * SHARERS + 2u] + dots[lane * SHARERS + 3u]);
        if (params.cap > 0.0) {
            s = params.cap * tanh(clamp(s / params.cap, -15.0, 15.0));
        }
        let best = select(-1e30, s, lane < count);
        tops[lane] = best;
        workgroupBarrier();
        for (var half = WG / 2u; half > 0u; half /= 2u) {
            if (lane < half) {
                tops[lane] = max(tops[lane], tops[lane + half]);
            }
            workgroupBarrier();
        }
        let new_top = max(top, tops[0]);
        let old = exp(top - new_top);
        let p = select(0.0, exp(best - new_top), lane < count);
        scores[lane] = p;
        sum = sum * old + p;
        top = new_top;
        y4 *= old;
        workgroupBarrier();
        if (slice < SLICES) {
            // Four loads under way at once: a load takes far longer than its arithmetic.
            for (var t = slice; t < count; t += 4u * SLICES) {
//unroll j 4
                let t$j = min(t + $ju * SLICES, count - 1u);
                let p$j = select(0.0, scores[t$j], t + $ju * SLICES < count);
                var v$j = value[column];
                if (!(FRESH && start + t$j == last)) {
                    v$j = cache[at_token(row, start + t$j) + params.past4 + shared_by * WIDTH4 + column];
                }
//end j
                y4 += (p0 * wide(v0) + p1 * wide(v1)) + (p2 * wide(v2) + p3 * wide(v3));
            }
        }
        workgroupBarrier();
    }
    tops[lane] = sum;
    parts[lane] = y4;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            tops[lane] += tops[lane + half];
        }
        workgroupBarrier();
    }
    if (lane < WIDTH4) {
        for (var i = 1u; i < SLICES; i++) {
            y4 += parts[i * WIDTH4 + lane];
        }
        y[((group.z * params.queries + group.x) * groups.y + head) * WIDTH4 + lane] = y4 / tops[0];
    }
}
