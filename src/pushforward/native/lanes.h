// Sixty-four rows at a time: elementary functions, products, scalar maps, whole layers.
// Included once per instruction set, within a namespace of its own; ROWS and QUADS say how many
// rows of a matrix (at most 4) and how many vectors of lanes a product holds in registers.
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

// ---- the scalar maps, sixteen lanes at a time; p: their parameters, 64 floats apart

struct Knots {
  F x0, y0, width, height, raw0, raw1, per_width, per_height;
  I index;
};

template <int BINS, bool BY_HEIGHT>
INL void locate(F v, const float* p, const Shape& s, Knots& at, F* parts) {
  const int n = BINS ? BINS : s.bins;
  const float floor = 2.f * s.bound * MIN_BIN, room = 2.f * s.bound * (1.f - n * MIN_BIN);
  for (int side = 0; side < 2; side++) {
    const float* raw = p + 64 * n * side;
    F* e = parts + n * side;
    F top = load(raw);
    for (int k = 1; k < n; k++) top = most(top, load(raw + 64 * k));
    F sum = F{};
    for (int k = 0; k < n; k++) {
      e[k] = exp_(load(raw + 64 * k) - top);
      sum += e[k];
    }
    (side ? at.per_height : at.per_width) = room * inverse(sum);
  }
  // Places are kept as sums from the left end: adding up edges would round at the box's size.
  const float* slopes = p + 128 * n;
  F sum_w = F{}, sum_h = F{}, low_w = F{}, low_h = F{}, own_w = parts[0], own_h = parts[n];
  F raw0 = all(UNIT_SLOPE), raw1 = load(slopes) + UNIT_SLOPE, offset = v + s.bound;
  I index = I{};
  for (int k = 1; k < n; k++) {
    sum_w += parts[k - 1];
    sum_h += parts[n + k - 1];
    F edge = floor * k + (BY_HEIGHT ? at.per_height * sum_h : at.per_width * sum_w);
    I beyond = offset >= edge;
    F left = load(slopes + 64 * (k - 1)) + UNIT_SLOPE;
    F right = k < n - 1 ? load(slopes + 64 * k) + UNIT_SLOPE : all(UNIT_SLOPE);
    low_w = beyond ? sum_w : low_w;
    low_h = beyond ? sum_h : low_h;
    own_w = beyond ? parts[k] : own_w;
    own_h = beyond ? parts[n + k] : own_h;
    raw0 = beyond ? left : raw0;
    raw1 = beyond ? right : raw1;
    index = beyond ? I{} + k : index;
  }
  F start = floor * __builtin_convertvector(index, F) - s.bound;
  at.x0 = start + at.per_width * low_w, at.y0 = start + at.per_height * low_h;
  at.width = floor + at.per_width * own_w, at.height = floor + at.per_height * own_h;
  at.raw0 = raw0, at.raw1 = raw1, at.index = index;
}

// log dz/dx at t; under: 1 / (s + (d0 + d1 − 2s) t (1 − t)).
INL F log_slope(F t, F s, F d0, F d1, F under) {
  F o = 1.f - t, tt = t * o, ratio = s * under;
  return log_((d1 * t * t + 2.f * s * tt + d0 * o * o) * ratio * ratio);
}

// x ↦ z and its log slope, in the bin that was found.
INL void down(F x, const Knots& at, F d0, F d1, const Shape& s, F& z, F& slope) {
  F per = inverse(at.width), rise = at.height * per, v = least(most(x, all(-s.bound)), all(s.bound));
  F t = least(most((v - at.x0) * per, F{}), all(1.f)), tt = t * (1.f - t);
  F under = inverse(rise + (d0 + d1 - 2.f * rise) * tt);
  I inside = abs_(x) < s.bound;
  z = inside ? at.y0 + at.height * (rise * t * t + d0 * tt) * under : x;
  slope = inside ? log_slope(t, rise, d0, d1, under) : F{};
}

// z ↦ x and the log slope of the way back.
INL void up(F z, const Knots& at, F d0, F d1, const Shape& s, F& x, F& slope) {
  F h = at.height, rise = h * inverse(at.width), v = least(most(z, all(-s.bound)), all(s.bound));
  F dy = least(most(v - at.y0, F{}), h);
  F b = h * d0 - dy * (d0 + d1 - 2.f * rise), a = h * rise - b, c = -rise * dy;
  F square = most(b * b - 4.f * a * c, all(1.17549435e-38f)), root;
  for (int i = 0; i < 16; i++) root[i] = __builtin_sqrtf(square[i]);
  F above = b > 0.f ? -2.f * c : root - b, below = b > 0.f ? b + root : 2.f * a;
  F t = least(most(above / below, F{}), all(1.f));
  F under = inverse(rise + (d0 + d1 - 2.f * rise) * (t * (1.f - t)));
  I inside = abs_(z) < s.bound;
  x = inside ? at.x0 + t * at.width : z;
  slope = inside ? log_slope(t, rise, d0, d1, under) : F{};
}

// Stage by stage for all 64 rows: within one vector of them every step waits for the one before.
template <int BINS, bool UP>
OWN void spline(const float* in, const float* p, const Shape& s, float* out, F* slope) {
  Knots at[4] = {};
  F d0[4], d1[4], parts[2 * (BINS ? BINS : MOST_BINS)];
  for (int q = 0; q < 4; q++) {
    F v = least(most(load(in + 16 * q), all(-s.bound)), all(s.bound));
    locate<BINS, UP>(v, p + 16 * q, s, at[q], parts);
  }
  for (int q = 0; q < 4; q++) {
    d0[q] = softplus_(at[q].raw0) + MIN_SLOPE;
    d1[q] = softplus_(at[q].raw1) + MIN_SLOPE;
  }
  for (int q = 0; q < 4; q++) {
    F moved;
    if (UP)
      up(load(in + 16 * q), at[q], d0[q], d1[q], s, moved, slope[q]);
    else
      down(load(in + 16 * q), at[q], d0[q], d1[q], s, moved, slope[q]);
    keep(out + 16 * q, moved);
  }
}

// The gradient of `down`: of gz and gs to x (returned) and to the parameters g.
template <int BINS>
OWN F spline_gradient(F x, const float* p, const Shape& sh, F gz, F gs, float* g) {
  const int n = BINS ? BINS : sh.bins;
  const float floor = 2.f * sh.bound * MIN_BIN, room = 2.f * sh.bound * (1.f - n * MIN_BIN);
  Knots at = {};
  F parts[2 * (BINS ? BINS : MOST_BINS)];
  F v = least(most(x, all(-sh.bound)), all(sh.bound));
  locate<BINS, false>(v, p, sh, at, parts);
  I inside = abs_(x) < sh.bound;
  F Y = inside ? gz : F{}, L = inside ? gs : F{};
  F d0 = softplus_(at.raw0) + MIN_SLOPE, d1 = softplus_(at.raw1) + MIN_SLOPE;
  F h = at.height, per = inverse(at.width), s = h * per;
  F t = least(most((v - at.x0) * per, F{}), all(1.f)), o = 1.f - t, tt = t * o;
  F u = d1 + d0 - 2.f * s, under = inverse(s + u * tt);
  F share = (s * t * t + d0 * tt) * under;
  F numerator = inverse(d1 * t * t + 2.f * s * tt + d0 * o * o);
  F dv = Y * h * under, g_den = -dv * share - 2.f * L * under, g_num = L * numerator;
  F g_s = dv * t * t + g_den * (1.f - 2.f * tt) + 2.f * g_num * tt + 2.f * L / s;
  F g_d0 = dv * tt + g_den * tt + g_num * o * o, g_d1 = g_den * tt + g_num * t * t;
  F g_tt = dv * d0 + g_den * u + 2.f * g_num * s;
  F g_t = g_tt * (1.f - 2.f * t) + 2.f * dv * s * t + 2.f * g_num * (d1 * t - d0 * o);
  F g_x = g_t * per, g_width = -(g_t * t + g_s * s) * per, g_height = Y * share + g_s * per;
  F g_raw0 = g_d0 * sigmoid_(at.raw0), g_raw1 = g_d1 * sigmoid_(at.raw1);
  F whole = __builtin_convertvector(at.index, F);
  for (int side = 0; side < 2; side++) {
    F low = side ? at.y0 : at.x0, size = side ? at.height : at.width;
    F g_low = side ? Y : -g_x, g_size = side ? g_height : g_width;
    F unit = side ? at.per_height : at.per_width;
    F mean = (g_low * (low + sh.bound - floor * whole) + g_size * (size - floor)) * (1.f / room);
    F before = (g_low - mean) * unit, here = (g_size - mean) * unit, after = -mean * unit;
    for (int k = 0; k < n; k++) {
      F own = k < at.index ? before : (k == at.index ? here : after);
      keep(g + 64 * (n * side + k), parts[n * side + k] * own);
    }
  }
  for (int k = 0; k < n - 1; k++) {
    F own = k + 1 == at.index ? g_raw0 : (k == at.index ? g_raw1 : F{});
    keep(g + 64 * (2 * n + k), own);
  }
  return inside ? g_x : gz;
}

INL void affine_down(F x, const float* p, const Shape& s, F& z, F& slope) {
  slope = -s.bound * tanh_(load(p + 64) / s.bound);
  z = (x - load(p)) * exp_(slope);
}

INL void affine_up(F z, const float* p, const Shape& s, F& x, F& slope) {
  slope = -s.bound * tanh_(load(p + 64) / s.bound);
  x = load(p) + exp_(-slope) * z;
}

INL F affine_gradient(F x, const float* p, const Shape& s, F gz, F gs, float* g) {
  F bent = tanh_(load(p + 64) / s.bound), grown = gz * exp_(-s.bound * bent);
  keep(g, -grown);
  keep(g + 64, -(grown * (x - load(p)) + gs) * (1.f - bent * bent));
  return grown;
}

// Sixty-four rows of a feature, and the log slope of each.
INL void move(bool is_up, const float* in, const float* p, const Shape& s, float* out, F* slope) {
  if (s.bins == 8) return is_up ? spline<8, true>(in, p, s, out, slope) : spline<8, false>(in, p, s, out, slope);
  if (s.bins) return is_up ? spline<0, true>(in, p, s, out, slope) : spline<0, false>(in, p, s, out, slope);
  for (int q = 0; q < 4; q++) {
    F moved;
    if (is_up)
      affine_up(load(in + 16 * q), p + 16 * q, s, moved, slope[q]);
    else
      affine_down(load(in + 16 * q), p + 16 * q, s, moved, slope[q]);
    keep(out + 16 * q, moved);
  }
}

INL F move_gradient(F in, const float* p, const Shape& s, F g_out, F g_slope, float* g) {
  if (!s.bins) return affine_gradient(in, p, s, g_out, g_slope, g);
  if (s.bins == 8) return spline_gradient<8>(in, p, s, g_out, g_slope, g);
  return spline_gradient<0>(in, p, s, g_out, g_slope, g);
}

// ---- a layer: a net of prefix-masked rectified units, heads, and the scalar maps

INL void fetch(const float* from, long n, float* to) {
  if (n == 64) {
    for (int l = 0; l < 64; l += 16) keep(to + l, load(from + l));
    return;
  }
  for (long l = 0; l < 64; l++) to[l] = l < n ? from[l] : 0.f;
}

INL void store(const float* from, long n, float* to) {
  if (n == 64) {
    for (int l = 0; l < 64; l += 16) keep(to + l, load(from + l));
    return;
  }
  for (long l = 0; l < n; l++) to[l] = from[l];
}

INL void fill(float value, float* to) {
  for (int l = 0; l < 64; l += 16) keep(to + l, all(value));
}

// Units [from, to) of a layer, from its inputs: the sums' start, the product, the rectifier, the gate.
OWN void units(const Layer& net, int layer, long from, long to, long row, long n, const float* in,
               float* out) {
  const Level& level = net.levels[layer];
  float* own = out + 64 * from;
  for (long u = from; u < to; u++) {
    const float* start = level.start + u * level.start_stride;
    if (level.start_stride > 1)
      fetch(start + row, n, out + 64 * u);
    else
      fill(*start, out + 64 * u);
  }
  for (long u = from; u < to; u += ROWS) {
    long last = u + ROWS < to ? u + ROWS : to;
    product(level.weight + u * level.width_in, level.width_in, 1, in, 0, level.ends[last - 1],
            out + 64 * u, last - u);
  }
  for (long u = from; u < to; u++, own += 64) {
    float gate[64];
    if (level.gate) fetch(level.gate + u * net.rows + row, n, gate);
    for (int l = 0; l < 64; l += 16) {
      F v = load(own + l);
      v = v > 0.f ? v : (v == v ? F{} : v);
      keep(own + l, level.gate ? v * load(gate + l) : v);
    }
  }
}

OWN void parameters(const Layer& net, long j, const float* hidden, float* p) {
  const Shape& s = net.shape;
  for (int leaf = 0; leaf < net.n_leaves; leaf++) {
    const Leaf& head = net.leaves[leaf];
    for (long c = 0; c < head.size; c++) fill(head.start[c * s.features + j], p + 64 * c);
    product(head.weight + j * s.width, s.features * s.width, 1, hidden, 0, net.head_ends[j], p,
            head.size);
    p += 64 * head.size;
  }
}

// The rows' marks of which have feature j; ones where all features are there.
INL void fetch_present(const Layer& net, long j, long row, long n, float* to) {
  if (net.present)
    fetch(net.present + j * net.rows + row, n, to);
  else
    fill(1.f, to);
}

// Rows [row, row + n) in one direction, all inputs known.
void evaluate(const Layer& net, bool is_up, long row, long n, float* work) {
  const Shape& s = net.shape;
  float* in = work;
  for (long i = 0; i < net.inputs; i++) fetch(net.x + i * net.rows + row, n, in + 64 * i);
  for (int l = 0; l < net.n_levels; l++) {
    float* out = in + 64 * net.levels[l].width_in;
    units(net, l, 0, net.levels[l].width, row, n, in, out);
    in = out;
  }
  float* p = in + 64 * s.width;
  F total[4] = {};
  for (long j = 0; j < s.features; j++) {
    parameters(net, j, in, p);
    alignas(64) float v[64], moved[64], there[64];
    fetch(net.v + j * net.rows + row, n, v);
    fetch_present(net, j, row, n, there);
    F slope[4];
    move(is_up, v, p, s, moved, slope);
    for (int q = 0; q < 4; q++) total[q] += slope[q] * load(there + 16 * q);
    store(moved, n, net.out + j * net.rows + row);
  }
  alignas(64) float sums[64];
  for (int q = 0; q < 4; q++) keep(sums + 16 * q, total[q]);
  store(sums, n, net.slope + row);
}

// An autoregressive layer solved feature by feature: units are computed once their inputs are known.
void solve(const Layer& net, long row, long n, float* work) {
  const Shape& s = net.shape;
  float *x = work, *p = work + 64 * net.inputs;
  for (int l = 0; l < net.n_levels; l++) p += 64 * net.levels[l].width;
  memset(work, 0, sizeof(float) * (p - work));
  F total[4] = {};
  for (long j = 0; j < s.features; j++) {
    float *in = x, *out = x + 64 * net.inputs;
    for (int l = 0; l < net.n_levels; l++) {
      const Level& level = net.levels[l];
      long from = j ? level.known[j - 1] : 0;
      units(net, l, from, level.known[j], row, n, in, out);
      in = out;
      out += 64 * level.width;
    }
    parameters(net, j, in, p);
    alignas(64) float v[64], there[64];
    fetch(net.v + j * net.rows + row, n, v);
    fetch_present(net, j, row, n, there);
    F slope[4];
    move(true, v, p, s, x + 64 * j, slope);
    for (int q = 0; q < 4; q++) {
      F counts = load(there + 16 * q);
      keep(x + 64 * j + 16 * q, load(x + 64 * j + 16 * q) * counts);
      total[q] += slope[q] * counts;
    }
    store(x + 64 * j, n, net.out + j * net.rows + row);
  }
  alignas(64) float sums[64];
  for (int q = 0; q < 4; q++) keep(sums + 16 * q, total[q]);
  store(sums, n, net.slope + row);
}

// The gradient of `evaluate` (down): to the inputs, and to every sum that a matrix product made.
void gradient(const Layer& net, const Gradient& g, long row, long n, float* work) {
  const Shape& s = net.shape;
  float* layers[MOST_LEVELS + 1] = {work};
  for (long i = 0; i < net.inputs; i++) fetch(net.x + i * net.rows + row, n, work + 64 * i);
  for (int l = 0; l < net.n_levels; l++) {
    layers[l + 1] = layers[l] + 64 * net.levels[l].width_in;
    units(net, l, 0, net.levels[l].width, row, n, layers[l], layers[l + 1]);
  }
  float* hidden = layers[net.n_levels];
  float* p = hidden + 64 * s.width;
  float* gp = p + 64 * s.parameters;
  float* above = gp + 64 * s.parameters;
  float* below = above + 64 * net.widest;
  memset(above, 0, sizeof(float) * 64 * s.width);
  alignas(64) float g_slope[64];
  fetch(g.slope + row, n, g_slope);
  for (long j = 0; j < s.features; j++) {
    parameters(net, j, hidden, p);
    alignas(64) float v[64], g_out[64], g_v[64], there[64];
    fetch(net.v + j * net.rows + row, n, v);
    fetch(g.out + j * net.rows + row, n, g_out);
    fetch_present(net, j, row, n, there);
    for (int q = 0; q < 64; q += 16) {
      F counted = load(g_slope + q) * load(there + q);
      keep(g_v + q, move_gradient(load(v + q), p + q, s, load(g_out + q), counted, gp + q));
    }
    store(g_v, n, g.v + j * net.rows + row);
    float* own = gp;
    for (int leaf = 0; leaf < net.n_leaves; leaf++) {
      const Leaf& head = net.leaves[leaf];
      for (long c = 0; c < head.size; c++)
        store(own + 64 * c, n, g.leaves[leaf] + (c * s.features + j) * net.rows + row);
      product(head.weight + j * s.width, 1, s.features * s.width, own, 0, head.size, above,
              net.head_ends[j]);
      own += 64 * head.size;
    }
  }
  for (int l = net.n_levels - 1; l >= 0; l--) {
    const Level& level = net.levels[l];
    float* out = layers[l + 1];
    for (long u = 0; u < level.width; u++) {
      float gate[64];
      if (level.gate) fetch(level.gate + u * net.rows + row, n, gate);
      for (int q = 0; q < 64; q += 16) {
        F v = load(above + 64 * u + q);
        if (level.gate) v *= load(gate + q);
        keep(above + 64 * u + q, load(out + 64 * u + q) > 0.f ? v : F{});
      }
      store(above + 64 * u, n, g.sums[l] + u * net.rows + row);
      store(out + 64 * u, n, g.units[l] + u * net.rows + row);
    }
    memset(below, 0, sizeof(float) * 64 * level.width_in);
    for (long i = 0; i < level.width_in; i += ROWS) {
      long last = i + ROWS < level.width_in ? i + ROWS : level.width_in;
      product(level.weight + i, 1, level.width_in, above, level.firsts[i], level.width,
              below + 64 * i, last - i);
    }
    float* swap = above;
    above = below;
    below = swap;
  }
  for (long i = 0; i < net.inputs; i++) store(above + 64 * i, n, g.x + i * net.rows + row);
}
