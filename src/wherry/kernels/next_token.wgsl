// The choice of the next token under Whisper's rules (openai-whisper, decoding.py), in two steps: `scan` looks through a
// chunk of the vocabulary per workgroup, `finish` joins the chunks of a row, chooses, and moves the row one token on.
// Words and times are kept apart until the end: when time as a whole is likelier than any word, it is time.
struct Params {
    vocab: u32, chunks: u32, words: u32, eot: i32, times: i32, max_initial: i32, history: u32
}
@group(0) @binding(0) var<uniform> params: Params;

// state (B, 8): tokens sampled, the last, the one before, the last time (or -1), ended, seed, temperature (bits); one unused.
const COUNT = 0u;
const LAST = 1u;
const BEFORE = 2u;
const TIME = 3u;
const ENDED = 4u;
const SEED = 5u;
const TEMPERATURE = 6u;
const NOTHING = -1e30;
const NO_TOKEN = 16777216;   // above any vocabulary, and whole in a float32
const CHUNK = 1024u;
const WG = 256u;

struct Part {
    top: f32,      // the highest logit
    sum: f32,      // sum of exp(logit - top)
    score: f32,    // the best logit / temperature + noise
    logit: f32,    // the logit of the best
    token: i32,    // the best
}

fn join(a: Part, b: Part) -> Part {
    let top = max(a.top, b.top);
    var sum = 0.0;
    if (a.sum > 0.0) {
        sum += a.sum * exp(a.top - top);
    }
    if (b.sum > 0.0) {
        sum += b.sum * exp(b.top - top);
    }
    if (b.score > a.score || (b.score == a.score && b.token < a.token)) {
        return Part(top, sum, b.score, b.logit, b.token);
    }
    return Part(top, sum, a.score, a.logit, a.token);
}

fn nothing() -> Part {
    return Part(NOTHING, 0.0, NOTHING, NOTHING, NO_TOKEN);
}

var<workgroup> parts: array<Part, WG>;

fn joined(lane: u32, mine: Part) -> Part {
    parts[lane] = mine;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            parts[lane] = join(parts[lane], parts[lane + half]);
        }
        workgroupBarrier();
    }
    let all = parts[0];
    workgroupBarrier();
    return all;
}

// ---- scan

@group(0) @binding(1) var<storage, read> logits: array<f32>;              // (B, vocab)
@group(0) @binding(2) var<storage, read> masks: array<u32>;               // (2, words) bits: never; not at the start
@group(0) @binding(3) var<storage, read> before: array<i32>;              // (B, 8), the state
@group(0) @binding(4) var<storage, read_write> found: array<vec4<f32>>;   // (B, chunks, 2 groups, 2): top sum score logit, token

fn allowed(token: i32, row_state: u32) -> bool {
    let word = u32(token) / 32u;
    let bit = 1u << (u32(token) % 32u);
    if ((masks[word] & bit) != 0u) {
        return false;
    }
    let first = before[row_state + COUNT] == 0;
    if (first && (masks[params.words + word] & bit) != 0u) {
        return false;
    }
    if (params.times >= i32(params.vocab)) {
        return true;                                      // no timestamps
    }
    if (first) {                                          // a window starts with a time, within its first second
        return token >= params.times && token <= params.times + params.max_initial;
    }
    let last_is_time = before[row_state + LAST] >= params.times;
    let pair = before[row_state + COUNT] < 2 || before[row_state + BEFORE] >= params.times;
    if (last_is_time && pair && token >= params.times) {
        return false;                                     // the pair is whole: words must follow
    }
    if (last_is_time && !pair && token < params.eot) {
        return false;                                     // the pair is open: time or the end must follow
    }
    var floor = before[row_state + TIME];
    if (floor >= 0 && !(last_is_time && !pair)) {
        floor += 1;
    }
    return token < params.times || token >= floor;        // time never goes back
}

fn random(row: u32, count: i32, token: i32) -> f32 {      // in (0, 1): three rounds of PCG's hash
    var x = u32(before[8u * row + SEED]);
    for (var i = 0u; i < 3u; i++) {
        x = x * 747796405u + 2891336453u + select(select(row, u32(count), i == 1u), u32(token), i == 2u) * 2654435769u;
        x = ((x >> ((x >> 28u) + 4u)) ^ x) * 277803737u;
        x = (x >> 22u) ^ x;
    }
    return (f32(x >> 8u) + 0.5) / 16777216.0;
}

@compute @workgroup_size(WG)
fn scan(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.y;
    let temperature = bitcast<f32>(before[8u * row + TEMPERATURE]);
    var words = nothing();
    var times = nothing();
    for (var i = lane; i < CHUNK; i += WG) {
        let token = i32(group.x * CHUNK + i);
        if (token >= i32(params.vocab) || !allowed(token, 8u * row)) {
            continue;
        }
        let logit = logits[row * params.vocab + u32(token)];
        var score = logit;
        if (temperature > 0.0) {
            // The Gumbel trick: the maximum of noisy logits is a draw.
            score = logit / temperature - log(-log(random(row, before[8u * row + COUNT], token)));
        }
        let mine = Part(logit, 1.0, score, logit, token);
        if (token >= params.times) {
            times = join(times, mine);
        } else {
            words = join(words, mine);
        }
    }
    let w = joined(lane, words);
    let t = joined(lane, times);
    if (lane == 0u) {
        let at = (row * params.chunks + group.x) * 4u;
        found[at] = vec4<f32>(w.top, w.sum, w.score, w.logit);
        found[at + 1u] = vec4<f32>(f32(w.token), 0.0, 0.0, 0.0);
        found[at + 2u] = vec4<f32>(t.top, t.sum, t.score, t.logit);
        found[at + 3u] = vec4<f32>(f32(t.token), 0.0, 0.0, 0.0);
    }
}

// ---- finish

@group(0) @binding(1) var<storage, read> seen: array<vec4<f32>>;          // (B, chunks, 2, 2), what `scan` found
@group(0) @binding(2) var<storage, read_write> state: array<i32>;         // (B, 8)
@group(0) @binding(3) var<storage, read_write> sums: array<f32>;          // (B,) log-probabilities so far
@group(0) @binding(4) var<storage, read_write> tokens: array<i32>;        // (B, 1), the network's next input
@group(0) @binding(5) var<storage, read_write> offsets: array<i32>;       // (B,)
@group(0) @binding(6) var<storage, read_write> lengths: array<i32>;       // (B,)
@group(0) @binding(7) var<storage, read_write> history: array<i32>;       // (B, history)

fn part_at(at: u32) -> Part {
    let p = seen[at];
    return Part(p.x, p.y, p.z, p.w, i32(seen[at + 1u].x));
}

@compute @workgroup_size(WG)
fn finish(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.x;
    var words = nothing();
    var times = nothing();
    for (var i = lane; i < params.chunks; i += WG) {
        words = join(words, part_at((row * params.chunks + i) * 4u));
        times = join(times, part_at((row * params.chunks + i) * 4u + 2u));
    }
    let w = joined(lane, words);
    let t = joined(lane, times);
    if (lane != 0u) {
        return;
    }
    var all = join(w, t);
    if (t.sum > 0.0 && t.top + log(t.sum) > w.top) {
        all = t;
    }
    let at = 8u * row;
    var token = all.token;
    if (state[at + ENDED] != 0 || token == NO_TOKEN) {
        token = params.eot;
    } else {
        sums[row] += all.logit - (all.top + log(all.sum));
    }
    let count = state[at + COUNT];
    if (count < i32(params.history)) {
        history[row * params.history + u32(count)] = token;
    }
    state[at + BEFORE] = state[at + LAST];
    state[at + LAST] = token;
    state[at + COUNT] = count + 1;
    if (token >= params.times) {
        state[at + TIME] = token;
    }
    if (token == params.eot) {
        state[at + ENDED] = 1;
    }
    tokens[row] = token;
    offsets[row] += 1;
    lengths[row] += 1;
}
