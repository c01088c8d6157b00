// New keys or values of row `row` in its pages: token t of T goes to place length - T + t, as halves. One invocation for four numbers.
struct Params { count4: u32, tokens: u32, state4: u32, row: u32, stride: u32, value: u32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;             // (T, state)
@group(0) @binding(2) var<storage, read> rows: array<i32>;                // (rows, stride): length first, pages from PAGES on
@group(0) @binding(3) var<storage, read_write> cache: array<vec2<u32>>;   // (pages, PAGE, 2, state4)

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) at: vec3<u32>) {
    if (at.x >= params.count4) {
        return;
    }
    let place = rows[params.row * params.stride] - i32(params.tokens) + i32(at.x / params.state4);
    if (place < 0) {
        return;
    }
    let page = u32(rows[params.row * params.stride + PAGES + u32(place) / PAGE]);
    let token = page * PAGE + u32(place) % PAGE;
    let v = x[at.x];
    cache[(2u * token + params.value) * params.state4 + at.x % params.state4] = vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw));
}
