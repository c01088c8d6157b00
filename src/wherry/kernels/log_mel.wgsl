// y[f, m] = log10(max(sum_k filters[k, m] |DFT(window * samples[160 f : 160 f + 400])_k|^2, 1e-10)).
// One workgroup per frame. The clamp to 8 decades under the loudest is `clamp_mel`: it needs all frames.
struct Params { frames: u32, n_mels: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> samples: array<f32>;             // ((frames - 1) * 160 + 400,)
@group(0) @binding(2) var<storage, read> tables: array<vec4<f32>>;        // (400,) of cos, sin of 2 pi n / 400, Hann's window, 0
@group(0) @binding(3) var<storage, read> filters: array<f32>;             // (201, n_mels)
@group(0) @binding(4) var<storage, read_write> y: array<f32>;             // (frames, n_mels)
const WG = 128u;
const N = 400u;
const BINS = 201u;
var<workgroup> windowed: array<f32, N>;
var<workgroup> power: array<f32, BINS>;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let frame = group.y * 32768u + group.x;
    let inside = frame < params.frames;
    for (var i = lane; i < N; i += WG) {
        windowed[i] = select(0.0, samples[min(frame, params.frames - 1u) * 160u + i] * tables[i].z, inside);
    }
    workgroupBarrier();
    for (var bin = lane; bin < BINS; bin += WG) {
        var sum = vec2<f32>(0.0);
        var phase = 0u;
        for (var i = 0u; i < N; i++) {
            sum += windowed[i] * tables[phase].xy;
            phase += bin;
            phase -= select(0u, N, phase >= N);
        }
        power[bin] = dot(sum, sum);
    }
    workgroupBarrier();
    if (!inside) {
        return;
    }
    for (var m = lane; m < params.n_mels; m += WG) {
        var mel = 0.0;
        for (var bin = 0u; bin < BINS; bin++) {
            mel += power[bin] * filters[bin * params.n_mels + m];
        }
        y[frame * params.n_mels + m] = log(max(mel, 1e-10)) * 0.43429448190325;
    }
}
