// Splines and counts of columns on the host, in float64: called by `host.py` through ctypes.
#pragma once

#include <cmath>
#include <cstdint>

// A bin's lower edge, one over its width, its lower image, height, mean slope, and edge slopes.
struct Bin {
  double x, per_width, z, height, s, d0, d1;
};

// Replaces values by a monotone rational-quadratic spline of them (transforms/rational_quadratic.py)
// and multiplies `slopes` by its slope. `first` says in which bin each of `cells` equal cells
// between the outermost knots begins.
extern "C" void PushforwardBend(const Bin* bins, const int32_t* first, int64_t cells, double last,
                                double last_z, double* values, double* slopes, int64_t n) {
  const double low = bins[0].x, per_cell = cells / (last - low);
  const Bin* end = bins + first[cells];
  for (int64_t i = 0; i < n; i++) {
    const double v = values[i];
    if (!(v >= low)) {  // NaN too
      values[i] = bins[0].z + bins[0].d0 * (v - low);
      slopes[i] *= bins[0].d0;
    } else if (v > last) {
      values[i] = last_z + end->d1 * (v - last);
      slopes[i] *= end->d1;
    } else {
      const int64_t cell = static_cast<int64_t>((v - low) * per_cell);
      const Bin* bin = bins + first[cell < cells ? cell : cells - 1];
      while (bin < end && v > bin[1].x) bin++;
      double t = (v - bin->x) * bin->per_width;
      t = t < 0 ? 0 : t > 1 ? 1 : t;
      const double o = 1 - t, tt = t * o;
      const double over = 1 / (bin->s + (bin->d0 + bin->d1 - 2 * bin->s) * tt), share = bin->s * over;
      values[i] = bin->z + bin->height * (bin->s * t * t + bin->d0 * tt) * over;
      slopes[i] *= (bin->d1 * t * t + 2 * bin->s * tt + bin->d0 * o * o) * share * share;
    }
  }
}

// Counts rows, or adds their weights, in equal cells of [−half, half]; what lies beyond is at its
// end. Where `warped`, of arcsinh of the values.
extern "C" void PushforwardCount(const double* values, const double* weights, int64_t n,
                                 double half, int64_t cells, bool warped, int64_t* counts,
                                 double* sums) {
  const double per_cell = cells / (2 * half);
  for (int64_t i = 0; i < n; i++) {
    const double w = warped ? std::asinh(values[i]) : values[i], place = (w + half) * per_cell;
    const int64_t cell = !(place >= 0) ? 0 : place >= cells ? cells - 1 : static_cast<int64_t>(place);
    if (weights)
      sums[cell] += weights[i];
    else
      counts[cell]++;
  }
}
