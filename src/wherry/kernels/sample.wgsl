// The choice of each text's next token, in two steps: `scan` goes through a chunk of the vocabulary per workgroup (bias, penalties,
// the chunk's sums), `finish` joins the chunks of a row, leaves out what the row's options say, draws, and moves the row on.
// The order is llama.cpp's: bias, penalties, top-k, typical, top-p, min-p, temperature; or temperature and mirostat.
// Where anything is left out, the CANDIDATES likeliest are looked at; a plain draw looks at all. `sampling.py` is the reference.
struct Params { vocab: u32, chunks: u32, stride: u32, row: u32, context: u32 }
@group(0) @binding(0) var<uniform> params: Params;

// rows (rows, stride), words of a row; numbers with a point are stored as their bits.
const LENGTH = 0u;       // tokens of the text, the one that is read next among them; 0: nobody's row
const COUNT = 1u;        // tokens drawn
const SEED = 2u;         // two words
const TEMPERATURE = 4u;
const TOP_K = 5u;
const TOP_P = 6u;
const MIN_P = 7u;
const TYPICAL = 8u;
const REPEAT = 9u;
const PRESENCE = 10u;
const FREQUENCY = 11u;
const LAST = 12u;        // tokens that penalties look at
const MIROSTAT = 13u;    // 2, or 0
const TAU = 14u;
const ETA = 15u;
const MU = 16u;
const BIASES = 17u;      // how many
const CHUNK = 1024u;
const CANDIDATES = 1024u;
const WG = 256u;
const EACH = CANDIDATES / WG;
const NOTHING = -1e30;
const DRAW = 1u;         // what is to be done for a row, in bits; 0: greedy
const WITH_TOP_K = 2u;
const WITH_TYPICAL = 4u;
const WITH_TOP_P = 8u;
const WITH_MIN_P = 16u;
const WITH_MIROSTAT = 32u;
const WITH_FEW = 64u;    // top-k keeps no more than there are chunks

struct Part {
    top: f32,            // the highest logit, all changes made
    token: u32,          // whose
    sum: f32,            // of exp(logit - top)
    tempered: f32,       // of exp((logit - top) / temperature)
    plain_top: f32,      // before all changes
    plain_sum: f32,
}

// ---- scan

@group(0) @binding(1) var<storage, read> logits: array<f32>;              // (grid, vocab)
@group(0) @binding(2) var<storage, read> before: array<i32>;              // the rows
@group(0) @binding(3) var<storage, read> history: array<i32>;             // (rows, context): the texts' tokens
@group(0) @binding(4) var<storage, read> biases: array<vec2<u32>>;        // (rows, BIASED): token, bits of what is added
@group(0) @binding(5) var<storage, read_write> changed: array<f32>;       // (grid, vocab)
@group(0) @binding(6) var<storage, read_write> found: array<Part>;        // (grid, chunks)
var<workgroup> counts: array<atomic<u32>, CHUNK>;
var<workgroup> added: array<f32, CHUNK>;
var<workgroup> chunk_parts: array<Part, WG>;

fn joined(a: Part, b: Part, temperature: f32) -> Part {
    let top = max(a.top, b.top);
    let plain = max(a.plain_top, b.plain_top);
    let heat = select(1.0, temperature, temperature > 0.0);
    var p = Part(top, a.token, 0.0, 0.0, plain, 0.0);
    if (b.top > a.top || (b.top == a.top && b.token < a.token)) {
        p.token = b.token;
    }
    p.sum = a.sum * exp(max(a.top - top, -80.0)) + b.sum * exp(max(b.top - top, -80.0));
    p.tempered = a.tempered * exp(max((a.top - top) / heat, -80.0)) + b.tempered * exp(max((b.top - top) / heat, -80.0));
    p.plain_sum = a.plain_sum * exp(max(a.plain_top - plain, -80.0)) + b.plain_sum * exp(max(b.plain_top - plain, -80.0));
    return p;
}

@compute @workgroup_size(WG)
fn scan(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = params.row + group.y;
    let state = row * params.stride;
    let length = before[state + LENGTH];
    if (length <= 0) {
        return;
    }
    let first = group.x * CHUNK;
    for (var i = lane; i < CHUNK; i += WG) {
        atomicStore(&counts[i], 0u);
        added[i] = 0.0;
    }
    workgroupBarrier();
    let last = u32(min(length, before[state + LAST]));
    for (var i = lane; i < last; i += WG) {
        let token = u32(history[row * params.context + u32(length) - 1u - i]);
        if (token >= first && token < first + CHUNK) {
            atomicAdd(&counts[token - first], 1u);
        }
    }
    for (var i = lane; i < u32(before[state + BIASES]); i += WG) {
        let bias = biases[row * BIASED + i];
        if (bias.x >= first && bias.x < first + CHUNK) {
            added[bias.x - first] = bitcast<f32>(bias.y);
        }
    }
    workgroupBarrier();
    let repeat = bitcast<f32>(before[state + REPEAT]);
    let temperature = bitcast<f32>(before[state + TEMPERATURE]);
    var mine = Part(NOTHING, 0xffffffffu, 0.0, 0.0, NOTHING, 0.0);
    for (var i = lane; i < CHUNK; i += WG) {
        let token = first + i;
        if (token < params.vocab) {
            let at = group.y * params.vocab + token;
            let plain = clamp(logits[at], -1e29, 1e29);
            var l = clamp(plain + added[i], -1e29, 1e29);
            let count = f32(atomicLoad(&counts[i]));
            if (count > 0.0) {
                l = select(l * repeat, l / repeat, l > 0.0);
                l -= count * bitcast<f32>(before[state + FREQUENCY]) + bitcast<f32>(before[state + PRESENCE]);
            }
            changed[at] = l;
            mine = joined(mine, Part(l, token, 1.0, 1.0, plain, 1.0), temperature);
        }
    }
    chunk_parts[lane] = mine;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            chunk_parts[lane] = joined(chunk_parts[lane], chunk_parts[lane + half], temperature);
        }
        workgroupBarrier();
    }
    if (lane == 0u) {
        found[group.y * params.chunks + group.x] = chunk_parts[0];
    }
}

// ---- finish

@group(0) @binding(1) var<storage, read> scores: array<f32>;              // (grid, vocab), what `scan` made of the logits
@group(0) @binding(2) var<storage, read> chunks: array<Part>;             // (grid, chunks)
@group(0) @binding(3) var<storage, read_write> rows: array<i32>;          // (rows, stride)
@group(0) @binding(4) var<storage, read_write> texts: array<i32>;         // (rows, context)
@group(0) @binding(5) var<storage, read_write> tokens: array<i32>;        // (rows,): read next
@group(0) @binding(6) var<storage, read_write> made: array<vec2<i32>>;    // (rows, KEPT): token, bits of its log-probability
@group(0) @binding(7) var<storage, read> plain: array<f32>;               // (grid, vocab), the logits
var<workgroup> parts: array<Part, WG>;
var<workgroup> value: array<f32, CANDIDATES>;                             // logits of candidates, the highest first
var<workgroup> whose: array<u32, CANDIDATES>;
var<workgroup> odds: array<f32, CANDIDATES>;
var<workgroup> totals: array<f32, WG>;
var<workgroup> number: atomic<u32>;
var<workgroup> lowest: atomic<u32>;
var<workgroup> shared_token: u32;

fn number_of(state: u32, word: u32) -> f32 {
    return bitcast<f32>(rows[state + word]);
}

// In (0, 1): three rounds of PCG's hash.
fn random(seed: vec2<u32>, count: u32) -> f32 {
    var x = seed.x;
    for (var i = 0u; i < 3u; i++) {
        x = x * 747796405u + 2891336453u + select(select(seed.y, count, i == 1u), 0x9e3779b9u, i == 2u) * 2654435769u;
        x = ((x >> ((x >> 28u) + 4u)) ^ x) * 277803737u;
        x = (x >> 22u) ^ x;
    }
    return (f32(x >> 8u) + 0.5) / 16777216.0;
}

fn total(lane: u32, mine: f32) -> f32 {
    totals[lane] = mine;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            totals[lane] += totals[lane + half];
        }
        workgroupBarrier();
    }
    return workgroupUniformLoad(&totals[0]);
}

fn sum_of_odds(lane: u32) -> f32 {
    var mine = 0.0;
    for (var i = 0u; i < EACH; i++) {
        mine += odds[lane * EACH + i];
    }
    return total(lane, mine);
}

// The sum of the odds before this lane's first.
fn before_lane(lane: u32) -> f32 {
    var mine = 0.0;
    for (var i = 0u; i < EACH; i++) {
        mine += odds[lane * EACH + i];
    }
    totals[lane] = mine;
    workgroupBarrier();
    for (var step = 1u; step < WG; step *= 2u) {
        var other = 0.0;
        if (lane >= step) {
            other = totals[lane - step];
        }
        workgroupBarrier();
        totals[lane] += other;
        workgroupBarrier();
    }
    let all = totals[lane] - mine;
    workgroupBarrier();
    return all;
}

// The first place at which the odds so far exceed `share` of their sum.
fn drawn(lane: u32, share: f32) -> u32 {
    let goal = share * sum_of_odds(lane);
    if (lane == 0u) {
        atomicStore(&lowest, 0xffffffffu);
    }
    var sum = before_lane(lane);
    for (var i = 0u; i < EACH; i++) {
        let at = lane * EACH + i;
        sum += odds[at];
        if (odds[at] > 0.0 && sum > goal) {
            atomicMin(&lowest, at);
        }
    }
    workgroupBarrier();
    return min(atomicLoad(&lowest), CANDIDATES - 1u);
}

fn count_above(lane: u32, base: u32, floor: f32) -> f32 {
    var mine = 0.0;
    for (var t = lane; t < params.vocab; t += WG) {
        mine += select(0.0, 1.0, scores[base + t] >= floor);
    }
    return total(lane, mine);
}

// Candidates from the highest down, the lower token first where they are alike: Batcher's bitonic sort.
fn sort(lane: u32) {
    for (var size = 2u; size <= CANDIDATES; size *= 2u) {
        for (var step = size / 2u; step > 0u; step /= 2u) {
            for (var i = lane; i < CANDIDATES / 2u; i += WG) {
                let a = 2u * i - (i & (step - 1u));
                let b = a + step;
                let later = value[a] < value[b] || (value[a] == value[b] && whose[a] > whose[b]);
                if (later == ((a & size) == 0u)) {
                    let v = value[a];
                    let w = whose[a];
                    value[a] = value[b];
                    whose[a] = whose[b];
                    value[b] = v;
                    whose[b] = w;
                }
            }
            workgroupBarrier();
        }
    }
}

// All tokens from `floor` up as candidates, as many as there is room for -> how many there are.
fn collect(lane: u32, base: u32, floor: f32) -> u32 {
    workgroupBarrier();
    if (lane == 0u) {
        atomicStore(&number, 0u);
    }
    for (var i = lane; i < CANDIDATES; i += WG) {
        value[i] = NOTHING;
        whose[i] = 0xffffffffu;
    }
    workgroupBarrier();
    for (var t = lane; t < params.vocab; t += WG) {
        let l = scores[base + t];
        if (l >= floor) {
            let at = atomicAdd(&number, 1u);
            if (at < CANDIDATES) {
                value[at] = l;
                whose[at] = t;
            }
        }
    }
    workgroupBarrier();
    if (lane == 0u) {
        shared_token = atomicLoad(&number);
    }
    return workgroupUniformLoad(&shared_token);
}

// The likeliest tokens, in order: value, whose. -> how many.
fn gather(lane: u32, grid: u32, top: f32, way: u32, top_k: u32) -> u32 {
    let base = grid * params.vocab;
    var floor = top - 30.0;
    if ((way & WITH_FEW) != 0u) {
        // The k-th highest of the chunks' best: k tokens are no lower, and few others.
        for (var i = lane; i < CANDIDATES; i += WG) {
            value[i] = NOTHING;
            whose[i] = i;
            if (i < params.chunks) {
                value[i] = chunks[grid * params.chunks + i].top;
            }
        }
        workgroupBarrier();
        sort(lane);
        floor = max(floor, value[top_k - 1u]);
    }
    var count = collect(lane, base, floor);
    if (count > CANDIDATES) {
        var low = floor;
        var high = top;
        for (var i = 0u; i < 24u; i++) {
            let middle = 0.5 * (low + high);
            if (count_above(lane, base, middle) > f32(CANDIDATES)) {
                low = middle;
            } else {
                high = middle;
            }
        }
        count = collect(lane, base, high);
    }
    sort(lane);
    return min(count, CANDIDATES);
}

// Leaves out what is less typical than the most typical that reach `share` together (Meister et al., 2022): of the tokens that
// are left where some are `cut`, else of the whole vocabulary, whose scores are the grid's and whose odds come to `whole`.
fn keep_typical(lane: u32, share: f32, grid: u32, top: f32, whole: f32, cut: bool) {
    let all = select(whole, sum_of_odds(lane), cut);
    var mine = 0.0;
    if (cut) {
        for (var i = lane; i < CANDIDATES; i += WG) {
            if (odds[i] > 0.0) {
                mine -= odds[i] / all * log(odds[i] / all);
            }
        }
    } else {
        for (var i = lane; i < params.vocab; i += WG) {
            let below = max(scores[grid * params.vocab + i] - top, -80.0);
            mine -= exp(below) / all * (below - log(all));
        }
    }
    let entropy = total(lane, mine);
    var low = 0.0;
    var high = 200.0;
    for (var step = 0u; step < 40u; step++) {
        let middle = 0.5 * (low + high);
        mine = 0.0;
        for (var i = lane; i < CANDIDATES; i += WG) {
            if (odds[i] > 0.0 && abs(log(odds[i] / all) + entropy) <= middle) {
                mine += odds[i];
            }
        }
        if (total(lane, mine) >= share * all) {
            high = middle;
        } else {
            low = middle;
        }
    }
    for (var i = lane; i < CANDIDATES; i += WG) {
        if (odds[i] > 0.0 && abs(log(odds[i] / all) + entropy) > high) {
            odds[i] = 0.0;
        }
    }
    workgroupBarrier();
}

// One of a row's tokens by the options other than greedy and plain: `all` is the sum of exp(logit - top) over the vocabulary.
fn choose(lane: u32, state: u32, grid: u32, top: f32, all: f32, share: f32, way: u32) -> u32 {
    let heat = number_of(state, TEMPERATURE);
    let mirostat = (way & WITH_MIROSTAT) != 0u;
    let top_k = u32(rows[state + TOP_K]);
    let count = gather(lane, grid, top, way, top_k);
    let kept = select(count, min(count, top_k), top_k > 0u && !mirostat);
    for (var i = lane; i < CANDIDATES; i += WG) {
        odds[i] = select(0.0, exp((value[i] - top) / select(1.0, heat, mirostat)), i < kept);
    }
    workgroupBarrier();
    if (mirostat) {                                                       // Basu et al., 2021, its second algorithm
        let sum = sum_of_odds(lane);
        let mu = number_of(state, MU);
        for (var i = lane; i < CANDIDATES; i += WG) {
            if (i > 0u && -log2(max(odds[i] / sum, 1e-37)) > mu) {
                odds[i] = 0.0;
            }
        }
        workgroupBarrier();
        let at = drawn(lane, share);
        let surprise = -log2(odds[at] / sum_of_odds(lane));
        if (lane == 0u) {
            rows[state + MU] = bitcast<i32>(mu - number_of(state, ETA) * (surprise - number_of(state, TAU)));
        }
        return at;
    }
    if ((way & WITH_TYPICAL) != 0u) {
        keep_typical(lane, number_of(state, TYPICAL), grid, top, all, top_k > 0u);
    }
    if ((way & WITH_TOP_P) != 0u) {
        let top_p = number_of(state, TOP_P);
        // Where nothing was left out yet, the shares are those of the whole vocabulary.
        let goal = top_p * select(all, sum_of_odds(lane), top_k > 0u || (way & WITH_TYPICAL) != 0u);
        var sum = before_lane(lane);
        for (var i = 0u; i < EACH; i++) {
            let at = lane * EACH + i;
            let mine = odds[at];
            if (sum >= goal && sum > 0.0) {
                odds[at] = 0.0;
            }
            sum += mine;
        }
        workgroupBarrier();
    }
    if ((way & WITH_MIN_P) != 0u) {
        let min_p = number_of(state, MIN_P);
        var most = 0.0;
        for (var i = 0u; i < CANDIDATES && most == 0.0; i++) {
            most = odds[i];
        }
        workgroupBarrier();
        for (var i = lane; i < CANDIDATES; i += WG) {
            if (odds[i] < min_p * most) {
                odds[i] = 0.0;
            }
        }
        workgroupBarrier();
    }
    for (var i = lane; i < CANDIDATES; i += WG) {
        if (odds[i] > 0.0) {
            odds[i] = exp(max((value[i] - top) / heat, -80.0));
        }
    }
    workgroupBarrier();
    return drawn(lane, share);
}

// A draw from the whole vocabulary: first the chunk, then the token in it.
fn plain_draw(lane: u32, state: u32, grid: u32, top: f32, share: f32) -> u32 {
    let heat = number_of(state, TEMPERATURE);
    for (var i = lane; i < CANDIDATES; i += WG) {
        odds[i] = 0.0;
        if (i < params.chunks) {
            let part = chunks[grid * params.chunks + i];
            odds[i] = part.tempered * exp(max((part.top - top) / heat, -80.0));
        }
    }
    workgroupBarrier();
    let chunk = drawn(lane, share);
    let sum = sum_of_odds(lane);
    let rest = (share * sum - sum_before(lane, chunk)) / odds[chunk];
    workgroupBarrier();
    for (var i = lane; i < CANDIDATES; i += WG) {
        let token = chunk * CHUNK + i;
        odds[i] = 0.0;
        if (token < params.vocab) {
            odds[i] = exp(max((scores[grid * params.vocab + token] - top) / heat, -80.0));
        }
        whose[i] = token;
    }
    workgroupBarrier();
    return drawn(lane, clamp(rest, 0.0, 0.9999999));
}

fn sum_before(lane: u32, place: u32) -> f32 {
    var mine = 0.0;
    for (var i = 0u; i < EACH; i++) {
        if (lane * EACH + i < place) {
            mine += odds[lane * EACH + i];
        }
    }
    return total(lane, mine);
}

@compute @workgroup_size(WG)
fn finish(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = params.row + group.x;
    let state = row * params.stride;
    if (lane == 0u) {
        shared_token = u32(max(rows[state + LENGTH], 0));
    }
    let length = workgroupUniformLoad(&shared_token);
    if (length == 0u) {
        return;
    }
    let heat_bits = u32(rows[state + TEMPERATURE]);
    let heat = bitcast<f32>(heat_bits);
    var mine = Part(NOTHING, 0xffffffffu, 0.0, 0.0, NOTHING, 0.0);
    for (var i = lane; i < params.chunks; i += WG) {
        mine = joined(mine, chunks[group.x * params.chunks + i], heat);
    }
    parts[lane] = mine;
    workgroupBarrier();
    for (var half = WG / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            parts[lane] = joined(parts[lane], parts[lane + half], heat);
        }
        workgroupBarrier();
    }
    let all = parts[0];
    if (lane == 0u) {
        let filters = select(0u, WITH_TOP_K, rows[state + TOP_K] > 0) | select(0u, WITH_MIROSTAT, rows[state + MIROSTAT] == 2)
            | select(0u, WITH_TYPICAL, number_of(state, TYPICAL) < 1.0) | select(0u, WITH_TOP_P, number_of(state, TOP_P) < 1.0)
            | select(0u, WITH_MIN_P, number_of(state, MIN_P) > 0.0)
            | select(0u, WITH_FEW, rows[state + TOP_K] > 0 && u32(rows[state + TOP_K]) <= params.chunks
                && rows[state + MIROSTAT] != 2);
        shared_token = select(0u, DRAW | filters, heat > 0.0);
    }
    let way = workgroupUniformLoad(&shared_token);
    let share = random(vec2<u32>(u32(rows[state + SEED]), u32(rows[state + SEED + 1u])), u32(rows[state + COUNT]));
    var token = all.token;
    if (way == DRAW) {
        token = whose[plain_draw(lane, state, group.x, all.top, share)];
    } else if (way > 0u) {
        token = whose[choose(lane, state, group.x, all.top, all.sum, share, way)];
    }
    workgroupBarrier();
    if (lane == 0u) {
        token = min(token, params.vocab - 1u);
        let odd = plain[group.x * params.vocab + token] - all.plain_top - log(all.plain_sum);
        made[row * KEPT + u32(rows[state + COUNT]) % KEPT] = vec2<i32>(i32(token), bitcast<i32>(odd));
        tokens[row] = i32(token);
        if (length < params.context) {
            texts[row * params.context + length] = i32(token);
            rows[state + LENGTH] = i32(length) + 1;
        }
        rows[state + COUNT] += 1;
    }
}
