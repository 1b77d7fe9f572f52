// Sixteen lanes at a time: elementary functions, and products of 64 rows.
// Weights that a mask forbids are zero: rows are taken together up to where the last one ends.

typedef float F __attribute__((vector_size(64)));
typedef int I __attribute__((vector_size(64)));
typedef float Loose __attribute__((vector_size(64), aligned(4)));

INL F all(float v) { return F{} + v; }
INL F load(const float* p) { return *reinterpret_cast<const Loose*>(p); }
INL void keep(float* p, F v) { *reinterpret_cast<Loose*>(p) = v; }
INL I bits(F v) { I i; memcpy(&i, &v, 64); return i; }
INL F floats(I i) { F v; memcpy(&v, &i, 64); return v; }
INL F abs_(F v) { return floats(bits(v) & 0x7fffffff); }
// The second of two equal choices, and the second where one is not a number: NaN in b comes through.
#if defined(WIDE_LANES)
INL F least(F a, F b) { return F(_mm512_min_ps(__m512(a), __m512(b))); }
INL F most(F a, F b) { return F(_mm512_max_ps(__m512(a), __m512(b))); }
INL F scaled(F v, F power) { return F(_mm512_scalef_ps(__m512(v), __m512(power))); }
INL F about_inverse(F v) { return F(_mm512_rcp14_ps(__m512(v))); }
// 1 / v to an ulp, for v that are neither zero nor infinite: a quarter of a division's time.
INL F inverse(F v) {
  F y = about_inverse(v);
  return y + y * (1.f - v * y);
}
#else
INL F least(F a, F b) { return a < b ? a : b; }
INL F most(F a, F b) { return a > b ? a : b; }
INL F scaled(F v, F power) { return v * floats((__builtin_convertvector(power, I) + 127) << 23); }
INL F inverse(F v) { return 1.f / v; }
INL F about_inverse(F v) { return 1.f / v; }
#endif

// e^x to an ulp; below −87 it stays at e^−87 instead of falling to zero. NaN stays NaN.
INL F exp_(F x) {
  F v = least(all(88.f), most(all(-87.f), x));
  const F shift = all(12582912.f);
  F n = (v * 1.44269504f + shift) - shift;
  F r = v - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  F p = all(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return scaled(p * (r * r) + (r + 1.f), n);
}

// log x for normal positive x; NaN stays NaN.
INL F log_(F x) {
  I raw = bits(x);
  I e = (raw - 0x3f3504f3) >> 23;
  F m = floats(raw - (e << 23)) - 1.f;
  F z = m * m;
  F y = all(7.0376836292e-2f);
  y = y * m - 1.1514610310e-1f;
  y = y * m + 1.1676998740e-1f;
  y = y * m - 1.2420140846e-1f;
  y = y * m + 1.4249322787e-1f;
  y = y * m - 1.6668057665e-1f;
  y = y * m + 2.0000714765e-1f;
  y = y * m - 2.4999993993e-1f;
  y = y * m + 3.3333331174e-1f;
  y = y * m * z;
  F n = __builtin_convertvector(e, F);
  y = y - n * 2.12194440e-4f;
  y = y - 0.5f * z;
  F out = m + y + n * 0.693359375f;
  return x == x ? out : x;
}

// log(1 + a) for 0 ≤ a ≤ 1, exact also where 1 + a rounds.
INL F log1p_(F a) {
  F u = a + 1.f;
  return log_(u) + (a - (u - 1.f)) * about_inverse(u);
}

INL F softplus_(F x) {
  F a = exp_(-abs_(x));
  return (x > 0.f ? x : F{}) + log1p_(a);
}

INL F sigmoid_(F x) {
  F a = exp_(-abs_(x));
  return (x > 0.f ? all(1.f) : a) * inverse(a + 1.f);
}

INL F tanh_(F x) {
  F size = abs_(x), z = x * x;
  F e = exp_(-2.f * size);
  F far = (1.f - e) * inverse(1.f + e);
  F p = all(-5.70498872745e-3f);
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  F near = p * z * x + x;
  return size < 0.625f ? near : (x < 0.f ? -far : far);
}

// ---- products: o[r] += Σ_k w[r·rs + k·ks] h[k], 64 lanes, rows r < n, k0 ≤ k < k1

template <int R>
INL void some_rows(const float* w, long rs, long ks, const float* h, long k0, long k1, float* o) {
  for (int q = 0; q < 64; q += 16 * QUADS) {
    F sum[R][QUADS];
    for (int r = 0; r < R; r++)
      for (int c = 0; c < QUADS; c++) sum[r][c] = load(o + 64 * r + q + 16 * c);
    for (long k = k0; k < k1; k++) {
      F in[QUADS];
      for (int c = 0; c < QUADS; c++) in[c] = load(h + 64 * k + q + 16 * c);
      for (int r = 0; r < R; r++) {
        float s = w[r * rs + k * ks];
        for (int c = 0; c < QUADS; c++) sum[r][c] += in[c] * s;
      }
    }
    for (int r = 0; r < R; r++)
      for (int c = 0; c < QUADS; c++) keep(o + 64 * r + q + 16 * c, sum[r][c]);
  }
}

OWN void product(const float* w, long rs, long ks, const float* h, long k0, long k1, float* o,
                 long n) {
  for (; n >= ROWS; n -= ROWS, w += ROWS * rs, o += 64 * ROWS) some_rows<ROWS>(w, rs, ks, h, k0, k1, o);
  if (n == 3) some_rows<3>(w, rs, ks, h, k0, k1, o);
  if (n == 2) some_rows<2>(w, rs, ks, h, k0, k1, o);
  if (n == 1) some_rows<1>(w, rs, ks, h, k0, k1, o);
}
