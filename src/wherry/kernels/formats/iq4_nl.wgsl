// ggml's iq4_nl: as q4_0, but a nibble is a place in a table.  weight4(i): the four from 4 i on, as float32.
@group(0) @binding(2) var<storage, read> weight: array<u32>;

fn weight4(i: u32) -> vec4<f32> {
    let block = 18u * (i / 8u);              // byte address: even, not always a multiple of four
    let scale = unpack2x16float(weight[block / 4u] >> (8u * (block % 4u))).x;
    let at = block + 2u + 4u * (i % 4u);
    let word = select(weight[at / 4u], (weight[at / 4u] >> 16u) | (weight[(at + 2u) / 4u] << 16u), at % 4u != 0u);
    let n = vec4<u32>(word >> (i & 4u)) >> vec4<u32>(0u, 8u, 16u, 24u);
    // -127 -104 -83 -65  -49 -35 -22 -10  1 13 25 38  53 69 89 113 as int8, four in a word: an array would go to memory.
    let odd = (n & vec4<u32>(4u)) != vec4<u32>(0u);
    let below = select(vec4<u32>(0xbfad9881u), vec4<u32>(0xf6eaddcfu), odd);
    let above = select(vec4<u32>(0x26190d01u), vec4<u32>(0x71594535u), odd);
    let four = select(below, above, (n & vec4<u32>(8u)) != vec4<u32>(0u));
    let value = vec4<i32>(four << (vec4<u32>(24u) - 8u * (n & vec4<u32>(3u)))) >> vec4<u32>(24u);
    return scale * vec4<f32>(value);
}
