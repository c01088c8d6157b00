// What a language model's step on the CPU needs: products with ggml's blocks as they lie in the file, norms, rotations, gates and the
// attention of one query over pages. `python -m wherry.kernels.lower` makes blocks.ll of it, which `compiled.py` has compiled for the
// processor at hand; 16 numbers at a time, and where its vectors are shorter, LLVM takes several.
// A row of x meets the same operations in the same order whatever other rows there are: texts are answered alike alone and together.

typedef unsigned char byte;
typedef float vf __attribute__((ext_vector_type(16), aligned(4)));
typedef float vf8 __attribute__((ext_vector_type(8), aligned(4)));
typedef float vf4 __attribute__((ext_vector_type(4), aligned(4)));
typedef byte vb __attribute__((ext_vector_type(16), aligned(1)));
typedef signed char vs __attribute__((ext_vector_type(16), aligned(1)));
typedef int vi __attribute__((ext_vector_type(16), aligned(4)));
typedef unsigned vu __attribute__((ext_vector_type(16), aligned(4)));
typedef _Float16 half __attribute__((aligned(1)));
typedef unsigned word __attribute__((aligned(1)));
#define INLINE static inline __attribute__((always_inline))
#define FLOATS(v) __builtin_convertvector(v, vf)
#define FMA(a, b, c) __builtin_elementwise_fma(a, b, c)
#define HALF(p) ((float)*(const half *)(p))

INLINE float sum8(vf8 v) {
  vf4 b = v.lo + v.hi;
  return (b.x + b.z) + (b.y + b.w);
}

INLINE float sum(vf v) { return sum8(v.lo + v.hi); }

// -- formats: the 32 weights of group g of a row, in two halves. The layouts: weights/blocks.py.

INLINE vb ones(unsigned bits) {
  const vu places = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return __builtin_convertvector((((vu)(bits) >> places) & 1) << 4, vb);
}

INLINE void f_q4_0(const byte *row, long g, vf *a, vf *b) {
  const byte *p = row + 18 * g;
  vf d = HALF(p);
  vb q = *(const vb *)(p + 2);
  *a = (FLOATS(q & 15) - 8.0f) * d;
  *b = (FLOATS(q >> 4) - 8.0f) * d;
}

INLINE void f_q4_1(const byte *row, long g, vf *a, vf *b) {
  const byte *p = row + 20 * g;
  vf d = HALF(p), m = HALF(p + 2);
  vb q = *(const vb *)(p + 4);
  *a = FMA(FLOATS(q & 15), d, m);
  *b = FMA(FLOATS(q >> 4), d, m);
}

INLINE void f_q5_0(const byte *row, long g, vf *a, vf *b) {
  const byte *p = row + 22 * g;
  vf d = HALF(p);
  unsigned fifths = *(const word *)(p + 2);
  vb q = *(const vb *)(p + 6);
  *a = (FLOATS((q & 15) | ones(fifths)) - 16.0f) * d;
  *b = (FLOATS((q >> 4) | ones(fifths >> 16)) - 16.0f) * d;
}

INLINE void f_q5_1(const byte *row, long g, vf *a, vf *b) {
  const byte *p = row + 24 * g;
  vf d = HALF(p), m = HALF(p + 2);
  unsigned fifths = *(const word *)(p + 4);
  vb q = *(const vb *)(p + 8);
  *a = FMA(FLOATS((q & 15) | ones(fifths)), d, m);
  *b = FMA(FLOATS((q >> 4) | ones(fifths >> 16)), d, m);
}

INLINE void f_q8_0(const byte *row, long g, vf *a, vf *b) {
  const byte *p = row + 34 * g;
  vf d = HALF(p);
  *a = FLOATS(*(const vs *)(p + 2)) * d;
  *b = FLOATS(*(const vs *)(p + 18)) * d;
}

// The scale and the minimum of part j of eight.
INLINE void sixes(const byte *p, long j, float *scale, float *minimum) {
  int first = j < 4;
  long k = first ? j : j - 4;
  int s = first ? p[k] & 63 : (p[k + 8] & 15) | ((p[k] >> 2) & 48);
  int m = first ? p[k + 4] & 63 : (p[k + 8] >> 4) | ((p[k + 4] >> 2) & 48);
  *scale = (float)s;
  *minimum = (float)m;
}

INLINE void f_q4_k(const byte *row, long g, vf *a, vf *b) {
  const byte *p = row + 144 * (g >> 3);
  long j = g & 7;
  float s, m;
  sixes(p + 4, j, &s, &m);
  vf d = HALF(p) * s, low = -(HALF(p + 2) * m);
  const byte *q = p + 16 + 32 * (j >> 1);
  byte shift = 4 * (j & 1);
  *a = FMA(FLOATS((*(const vb *)q >> shift) & 15), d, low);
  *b = FMA(FLOATS((*(const vb *)(q + 16) >> shift) & 15), d, low);
}

INLINE void f_q5_k(const byte *row, long g, vf *a, vf *b) {
  const byte *p = row + 176 * (g >> 3);
  long j = g & 7;
  float s, m;
  sixes(p + 4, j, &s, &m);
  vf d = HALF(p) * s, low = -(HALF(p + 2) * m);
  const byte *q = p + 48 + 32 * (j >> 1);
  byte shift = 4 * (j & 1), fifth = j;
  vb high0 = ((*(const vb *)(p + 16) >> fifth) & 1) << 4, high1 = ((*(const vb *)(p + 32) >> fifth) & 1) << 4;
  *a = FMA(FLOATS(((*(const vb *)q >> shift) & 15) | high0), d, low);
  *b = FMA(FLOATS(((*(const vb *)(q + 16) >> shift) & 15) | high1), d, low);
}

INLINE void f_q6_k(const byte *row, long g, vf *a, vf *b) {
  const byte *p = row + 210 * (g >> 3);
  long j = g & 7, part = j & 3;
  const byte *q = p + 64 * (j >> 2) + 32 * (part & 1), *twos = p + 128 + 32 * (j >> 2);
  byte shift = 4 * (part >> 1), pair = 2 * part;
  float d = HALF(p + 208);
  const signed char *scales = (const signed char *)(p + 192 + 2 * j);
  vb high0 = ((*(const vb *)twos >> pair) & 3) << 4, high1 = ((*(const vb *)(twos + 16) >> pair) & 3) << 4;
  *a = (FLOATS(((*(const vb *)q >> shift) & 15) | high0) - 32.0f) * (d * (float)scales[0]);
  *b = (FLOATS(((*(const vb *)(q + 16) >> shift) & 15) | high1) - 32.0f) * (d * (float)scales[1]);
}

INLINE void f_f32(const byte *row, long g, vf *a, vf *b) {
  *a = *(const vf *)(row + 128 * g);
  *b = *(const vf *)(row + 128 * g + 64);
}

typedef _Float16 vh __attribute__((ext_vector_type(16), aligned(2)));

INLINE void f_f16(const byte *row, long g, vf *a, vf *b) {
  *a = FLOATS(*(const vh *)(row + 64 * g));
  *b = FLOATS(*(const vh *)(row + 64 * g + 32));
}

typedef unsigned short vw __attribute__((ext_vector_type(16), aligned(2)));

INLINE vf upper(vw x) {
  vu bits = __builtin_convertvector(x, vu) << 16;
  return *(vf *)&bits;
}

INLINE void f_bf16(const byte *row, long g, vf *a, vf *b) {
  *a = upper(*(const vw *)(row + 64 * g));
  *b = upper(*(const vw *)(row + 64 * g + 32));
}

// matvec_F: y[b, r] = w[r] . x[b] for count rows of x, `stride` numbers from one row of y to the next; a multiple of 32 columns.
// widen_F: the groups of 32 weights as float32.
#define PRODUCT(FORMAT, COUNT)                                                                      \
  INLINE void product##COUNT##_##FORMAT(const byte *w, const float *x, float *y, long cols, long stride) { \
    vf s[COUNT], t[COUNT];                                                                          \
    for (int b = 0; b < COUNT; b++) s[b] = t[b] = 0.0f;                                             \
    for (long g = 0; g < cols / 32; g++) {                                                          \
      vf p, q;                                                                                      \
      f_##FORMAT(w, g, &p, &q);                                                                     \
      _Pragma("clang loop unroll(full)") for (int b = 0; b < COUNT; b++) {                          \
        s[b] = FMA(p, *(const vf *)(x + b * cols + 32 * g), s[b]);                                  \
        t[b] = FMA(q, *(const vf *)(x + b * cols + 32 * g + 16), t[b]);                             \
      }                                                                                             \
    }                                                                                               \
    for (int b = 0; b < COUNT; b++) y[b * stride] = sum(s[b] + t[b]);                               \
  }
#define FORMAT(NAME, BYTES, WEIGHTS)                                                                \
  PRODUCT(NAME, 1)                                                                                  \
  PRODUCT(NAME, 4)                                                                                  \
  void matvec_##NAME(const byte *restrict w, const float *restrict x, float *restrict y, long rows, long cols, long count, \
                     long stride) {                                                                 \
    for (long r = 0; r < rows; r++) {                                                               \
      const byte *row = w + r * (cols / WEIGHTS * BYTES);                                           \
      long b = 0;                                                                                   \
      for (; b + 4 <= count; b += 4) product4_##NAME(row, x + b * cols, y + b * stride + r, cols, stride); \
      for (; b < count; b++) product1_##NAME(row, x + b * cols, y + b * stride + r, cols, stride);  \
    }                                                                                               \
  }                                                                                                 \
  void widen_##NAME(const byte *restrict w, float *restrict y, long groups) {                       \
    for (long g = 0; g < groups; g++) f_##NAME(w, g, (vf *)(y + 32 * g), (vf *)(y + 32 * g + 16));  \
  }
FORMAT(f32, 4, 1)
FORMAT(f16, 2, 1)
FORMAT(bf16, 2, 1)
FORMAT(q4_0, 18, 32)
FORMAT(q4_1, 20, 32)
FORMAT(q5_0, 22, 32)
FORMAT(q5_1, 24, 32)
FORMAT(q8_0, 34, 32)
FORMAT(q4_k, 144, 256)
FORMAT(q5_k, 176, 256)
FORMAT(q6_k, 210, 256)

// -- what stands between products

// 2^t for -127 < t < 127: the whole part goes into the exponent, the rest (at most a half) through its series.
INLINE vf power(vf t) {
  vf n = __builtin_elementwise_rint(t), f = t - n;
  vf e = FMA(f, (vf)(0x1.ffcbfcp-17f), (vf)(0x1.430912p-13f));
  e = FMA(e, f, (vf)(0x1.5d87fep-10f));
  e = FMA(e, f, (vf)(0x1.3b2ab6p-7f));
  e = FMA(e, f, (vf)(0x1.c6b08ep-5f));
  e = FMA(e, f, (vf)(0x1.ebfbep-3f));
  e = FMA(e, f, (vf)(0x1.62e43p-1f));
  e = FMA(e, f, (vf)(1.0f));
  vi bits = *(vi *)&e + (__builtin_convertvector(n, vi) << 23);
  return *(vf *)&bits;
}

INLINE vf within(vf x, float most) {
  return __builtin_elementwise_min(__builtin_elementwise_max(x, (vf)(-most)), (vf)(most));
}

// y = x / sqrt(mean(x^2) + eps) * weight for each of `rows` rows of `cols` numbers, a multiple of 8.
void rms_norm(const float *x, const float *restrict weight, float *y, long rows, long cols, float eps) {
  for (long r = 0; r < rows; r++, x += cols, y += cols) {
    vf8 s = 0.0f;
    for (long c = 0; c < cols; c += 8) s = FMA(*(const vf8 *)(x + c), *(const vf8 *)(x + c), s);
    float scale = 1.0f / __builtin_sqrtf(sum8(s) / (float)(int)cols + eps);
    for (long c = 0; c < cols; c += 8) *(vf8 *)(y + c) = *(const vf8 *)(x + c) * scale * *(const vf8 *)(weight + c);
  }
}

// z = silu(x) * y, or gelu(x) * y with GELU by tanh: x times the logistic function of it, or of twice tanh's argument.
void gate(const float *x, const float *y, float *z, long count, long gelu) {
  for (long i = 0; i < count; i += 16) {
    vf v = *(const vf *)(x + i), u = v;
    if (gelu) u = 1.5957691216f * FMA(0.044715f * v * v, v, v);
    v = __builtin_elementwise_max(v, (vf)(-100.0f));  // below, nothing is left
    *(vf *)(z + i) = v / (1.0f + power(within(u * -1.44269504f, 126.0f))) * *(const vf *)(y + i);
  }
}

void add(const float *x, const float *y, float *z, long count) {
  for (long i = 0; i < count; i += 16) *(vf *)(z + i) = *(const vf *)(x + i) + *(const vf *)(y + i);
}

// Rotary embedding in place: x (rows, heads, width), table (places, pairs, 2), row r at place lengths[r * stride] - 1.
void rotate(float *restrict x, const float *restrict table, const int *restrict lengths, long rows, long stride, long heads, long width,
            long pairs, long interleaved) {
  for (long r = 0; r < rows; r++) {
    const float *turn = table + 2 * pairs * (lengths[r * stride] > 0 ? lengths[r * stride] - 1 : 0);
    for (long h = 0; h < heads; h++, x += width)
      for (long p = 0; p < pairs; p++) {
        float *a = x + (interleaved ? 2 * p : p), *b = a + (interleaved ? 1 : pairs);
        float first = *a, second = *b;
        *a = first * turn[2 * p] - second * turn[2 * p + 1];
        *b = second * turn[2 * p] + first * turn[2 * p + 1];
      }
  }
}

// Rows of x (rows, n) into their pages: pool (pages, page, 2, n), rows of words as in pages.py. value: 1 for values, 0 for keys.
void store(const float *restrict x, float *restrict pool, const int *restrict words, long rows, long stride, long n, long value) {
  for (long r = 0; r < rows; r++, words += stride, x += n) {
    long place = words[0] - 1;
    if (place < 0) continue;
    float *at = pool + ((words[32 + place / 64] * 64L + place % 64) * 2 + value) * n;
    for (long c = 0; c < n; c += 16) *(vf *)(at + c) = *(const vf *)(x + c);
  }
}

// Attention of one query a row over its pages: q (rows, heads, width), width a multiple of 8, scores scratch for a text's keys and 16 more, out as q.
void attend(const float *restrict q, const float *restrict pool, const int *restrict words, float *restrict scores, float *restrict out,
            long rows, long stride, long heads, long groups, long width, long window, float scale, float cap) {
  long n = groups * width, sharing = heads / groups;
  for (long r = 0; r < rows; r++, words += stride) {
    long seen = words[0], first = window && seen > window ? seen - window : 0, count = seen - first;
    for (long h = 0; h < heads; h++, q += width, out += width) {
      if (seen <= 0) continue;
      const float *base = pool + h / sharing * width;
      float top = -1e30f;
      for (long t = 0; t < count; t++) {
        long place = first + t;
        const float *k = base + (words[32 + place / 64] * 64L + place % 64) * 2 * n;
        vf8 s = 0.0f;
        for (long c = 0; c < width; c += 8) s = FMA(*(const vf8 *)(q + c), *(const vf8 *)(k + c), s);
        scores[t] = sum8(s) * scale;
        if (scores[t] > top) top = scores[t];
      }
      for (long t = count; t < count + 16; t++) scores[t] = -1e30f;
      if (cap > 0.0f) {
        for (long t = 0; t < count; t += 16) {
          vf u = power(within(*(vf *)(scores + t) / cap * 2.88539008f, 120.0f));
          *(vf *)(scores + t) = cap - 2.0f * cap / (u + 1.0f);
        }
        for (long t = count; t < count + 16; t++) scores[t] = -1e30f;
        top = cap;
      }
      vf total = 0.0f;
      for (long t = 0; t < count; t += 16) {
        vf p = power(__builtin_elementwise_max((*(vf *)(scores + t) - top) * 1.44269504f, (vf)(-126.0f)));
        *(vf *)(scores + t) = p;
        total += p;
      }
      for (long c = 0; c < width; c += 8) *(vf8 *)(out + c) = 0.0f;
      for (long t = 0; t < count; t++) {
        long place = first + t;
        const float *v = base + ((words[32 + place / 64] * 64L + place % 64) * 2 + 1) * n;
        for (long c = 0; c < width; c += 8) *(vf8 *)(out + c) = FMA((vf8)(scores[t]), *(const vf8 *)(v + c), *(vf8 *)(out + c));
      }
      float share = 1.0f / sum(total);
      for (long c = 0; c < width; c += 8) *(vf8 *)(out + c) *= share;
    }
  }
}
