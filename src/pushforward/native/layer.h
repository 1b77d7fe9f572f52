// A layer, 64 rows at a time: a net of prefix-masked rectified units, heads, and the scalar maps.

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

// Units [from, to) of a level, from its inputs: the sums' start, the product, the rectifier, the gate.
OWN void units(const Layer& net, const Level& level, long from, long to, long row, long n,
               const float* in, float* out) {
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
    units(net, net.levels[l], 0, net.levels[l].width, row, n, in, out);
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
      units(net, level, from, level.known[j], row, n, in, out);
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
    units(net, net.levels[l], 0, net.levels[l].width, row, n, layers[l], layers[l + 1]);
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
