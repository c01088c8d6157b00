// ggml's q5_k: blocks of 256 weights in 176 bytes. A float16 factor of the scales and one of the minima; for each 32 weights a
// scale and a minimum of six bits in twelve bytes; 32 bytes of fifth bits, weight i's in bit i / 32 of byte i % 32; then of each
// 64 weights 32 bytes of nibbles, weight i low and i + 32 high.  weight4(i): the four from 4 i on, as float32.
@group(0) @binding(2) var<storage, read> weight: array<vec4<u32>>;

fn weight4(i: u32) -> vec4<f32> {
    let block = 11u * (i / 64u);
    let j = i % 64u;
    let head = weight[block];
    let factors = unpack2x16float(head.x);
    // Four scales, then four minima in the low bits of bytes; the other four of each are nibbles, their upper bits above those.
    let s = head.yzw >> vec3<u32>(8u * (j / 8u % 4u));
    let first = s.xy & vec2<u32>(63u);
    let second = (vec2<u32>(s.z, s.z >> 4u) & vec2<u32>(15u)) | ((s.xy >> vec2<u32>(2u)) & vec2<u32>(48u));
    let scales = factors * vec2<f32>(select(second, first, j < 32u));
    let nibbles = weight[block + 3u + 2u * (j / 16u) + j / 4u % 2u][j % 4u] >> ((j / 2u) & 4u);
    let fifths = weight[block + 1u + j / 4u % 2u][j % 4u] >> (j / 8u);
    let n = unpack4xU8((nibbles & 0x0f0f0f0fu) | ((fifths & 0x01010101u) << 4u));
    return scales.x * vec4<f32>(n) - scales.y;
}
