// The scalar maps, sixteen lanes at a time; p: their parameters, 64 floats apart.

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
