// Layers of normalizing flows on a CPU: what `pushforward.native` hands to XLA.
//
// A layer is a net of rectified units whose last level feeds heads, which give each feature's
// scalar map its parameters. Arrays have features first and rows last. Blocks of 64 rows stay in
// the cache from the inputs to the outputs; threads of XLA's own pool share the blocks.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "xla/ffi/api/ffi.h"
#include "host.h"

namespace ffi = xla::ffi;

namespace {

// The first three as in transforms/bins.py and transforms/spline.py, the limits as in layer.py.
constexpr float MIN_BIN = 1e-3f, MIN_SLOPE = 1e-3f, UNIT_SLOPE = 0.5397424f;
constexpr int MOST_BINS = 32, MOST_LEVELS = 8, MOST_LEAVES = 3;
constexpr int ROWS = 4;  // of a matrix, that a product holds in registers; product() counts on 4

struct Shape {
  long features, width, parameters;  // maps, units that feed them, parameters of a map
  int bins;                          // 0: affine
  float bound;                       // the spline's box, or the limit of a log scale
};

struct Level {
  const float *weight, *start, *gate;  // (width, width_in), the sums' start, (width, rows) or none
  long width, width_in, start_stride;  // start_stride: rows where each row has its own start, or 1
  const int64_t* ends;                 // per unit: it uses inputs before this one
  std::vector<int64_t> firsts;         // per input: units before this one do not use it
  std::vector<int64_t> known;          // per feature j: units that features up to j − 1 determine
};

struct Leaf {
  const float *weight, *start;  // (size, features, width), (size, features)
  long size;
};

struct Layer {
  const float *x, *v;    // the net's inputs and what is moved
  const float* present;  // 1 where a feature is there, 0 where it counts no volume; or none
  float *out, *slope;
  long rows, inputs, widest, scratch;
  int n_levels, n_leaves;
  Shape shape;
  Level levels[MOST_LEVELS];
  Leaf leaves[MOST_LEAVES];
  const int64_t* head_ends;
};

struct Gradient {
  const float *out, *slope;
  float *x, *v;
  float *leaves[MOST_LEAVES], *sums[MOST_LEVELS], *units[MOST_LEVELS];
};

}  // namespace

#define INL static inline __attribute__((always_inline))
#define OWN static __attribute__((noinline))

#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,fma,prefer-vector-width=512")
namespace avx512 {
constexpr int QUADS = 4;
#define WIDE_LANES
#include "lanes.h"
#undef WIDE_LANES
}  // namespace avx512
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
constexpr int QUADS = 1;
#include "lanes.h"
}  // namespace avx2
#pragma GCC pop_options
#else
namespace plain {
constexpr int QUADS = 1;
#include "lanes.h"
}  // namespace plain
#endif

namespace {

struct Code {
  void (*evaluate)(const Layer&, bool, long, long, float*);
  void (*solve)(const Layer&, long, long, float*);
  void (*gradient)(const Layer&, const Gradient&, long, long, float*);
};

const Code& code() {
  static const Code found = [] {
    const char* most = std::getenv("PUSHFORWARD_NATIVE");
    if (most && !std::strcmp(most, "none")) return Code{nullptr, nullptr, nullptr};
#if defined(__x86_64__)
    bool wide = !most || std::strcmp(most, "avx2");
    if (wide && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
      return Code{avx512::evaluate, avx512::solve, avx512::gradient};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
      return Code{avx2::evaluate, avx2::solve, avx2::gradient};
    return Code{nullptr, nullptr, nullptr};
#else
    return Code{plain::evaluate, plain::solve, plain::gradient};
#endif
  }();
  return found;
}

float* scratch(long floats) {
  static thread_local std::vector<float> kept;
  if (static_cast<long>(kept.size()) < floats + 16) kept.resize(floats + 16);
  auto at = reinterpret_cast<uintptr_t>(kept.data());
  return reinterpret_cast<float*>((at + 63) / 64 * 64);
}

// Calls body(row, n) on blocks of 64 rows, on the caller and on threads of the pool. A thread that
// comes late finds no block left, and touches nothing else.
template <class Body>
void in_blocks(ffi::ThreadPool pool, long rows, Body body) {
  long blocks = (rows + 63) / 64;
  struct Shared {
    std::atomic<long> next{0}, done{0};
  };
  auto shared = std::make_shared<Shared>();
  auto work = [shared, blocks, rows, body] {
    for (;;) {
      long block = shared->next.fetch_add(1);
      if (block >= blocks) return;
      long row = 64 * block;
      body(row, rows - row < 64 ? rows - row : 64);
      shared->done.fetch_add(1);
    }
  };
  long helpers = std::min<long>(pool.num_threads(), blocks) - 1;
  for (long i = 0; i < helpers; i++) pool.Schedule(std::decay_t<decltype(work)>(work));
  work();
  while (shared->done.load() < blocks) std::this_thread::yield();
}

using Numbers = ffi::Span<const int64_t>;

// The arguments, in order: x, v (and present), then per level weight, start (and gate), then weight
// and start of each leaf. `ends` holds per unit of each level, then per feature, how much of what is below it
// uses; `known` per level and feature, the units that are determined before it.
struct Call {
  ffi::RemainingArgs args;
  Numbers widths, ends, known, sizes;
  bool gated, partial;
  int64_t bins;
  double bound;

  ffi::Error read(Layer& net) const {
    size_t next = 0;
    auto take = [&](const float** data, ffi::Span<const int64_t>* dims) {
      auto buffer = args.get<ffi::Buffer<ffi::F32>>(next++);
      if (!buffer.has_value()) return false;
      *data = buffer->typed_data();
      *dims = buffer->dimensions();
      return true;
    };
    auto refused = ffi::Error::InvalidArgument("pushforward: arrays of another shape or kind");
    ffi::Span<const int64_t> dims;
    if (widths.size() > MOST_LEVELS || sizes.size() > MOST_LEAVES || bins > MOST_BINS) return refused;
    if (!take(&net.x, &dims) || dims.size() != 2) return refused;
    net.inputs = dims[0];
    net.rows = dims[1];
    if (!take(&net.v, &dims) || dims.size() != 2 || dims[1] != net.rows) return refused;
    Shape& shape = net.shape;
    shape.features = dims[0];
    net.present = nullptr;
    if (partial && (!take(&net.present, &dims) || dims.size() != 2 || dims[0] != shape.features ||
                    dims[1] != net.rows))
      return refused;
    shape.bins = static_cast<int>(bins);
    shape.bound = static_cast<float>(bound);
    shape.parameters = 0;
    net.n_levels = static_cast<int>(widths.size());
    net.n_leaves = static_cast<int>(sizes.size());
    long below = net.inputs, total = net.inputs, used = 0;
    net.widest = below;
    size_t units = 0;
    for (long width : widths) units += width;
    if (ends.size() != units + shape.features ||
        (known.size() && known.size() != widths.size() * shape.features))
      return refused;
    for (int l = 0; l < net.n_levels; l++) {
      Level& level = net.levels[l];
      level.width = widths[l];
      level.width_in = below;
      level.gate = nullptr;
      if (!take(&level.weight, &dims) || dims.size() != 2 || dims[0] != level.width ||
          dims[1] != below || !take(&level.start, &dims) || dims.size() != 2 ||
          dims[0] != level.width || (dims[1] != 1 && dims[1] != net.rows))
        return refused;
      level.start_stride = dims[1];
      if (gated && (!take(&level.gate, &dims) || dims.size() != 2 || dims[0] != level.width ||
                    dims[1] != net.rows))
        return refused;
      level.ends = ends.begin() + used;
      level.firsts.resize(below);
      for (long i = 0, u = 0; i < below; i++) {
        while (u < level.width && level.ends[u] <= i) u++;
        level.firsts[i] = u;
      }
      if (known.size())
        level.known.assign(known.begin() + l * shape.features, known.begin() + (l + 1) * shape.features);
      used += level.width;
      below = level.width;
      total += below;
      net.widest = std::max(net.widest, below);
    }
    shape.width = below;
    net.head_ends = ends.begin() + used;
    for (int i = 0; i < net.n_leaves; i++) {
      Leaf& leaf = net.leaves[i];
      leaf.size = sizes[i];
      if (!take(&leaf.weight, &dims) || dims.size() != 3 || dims[0] != leaf.size ||
          dims[1] != shape.features || dims[2] != below || !take(&leaf.start, &dims) || dims.size() != 2 ||
          dims[0] != leaf.size || dims[1] != shape.features)
        return refused;
      shape.parameters += leaf.size;
    }
    if (shape.parameters != (bins ? 3 * bins - 1 : 2)) return refused;
    net.scratch = 64 * (total + 2 * shape.parameters + 2 * net.widest);
    return ffi::Error::Success();
  }
};

ffi::Error moved(ffi::ThreadPool pool, ffi::RemainingArgs args, ffi::Result<ffi::Buffer<ffi::F32>> out,
                 ffi::Result<ffi::Buffer<ffi::F32>> slope, Numbers widths, Numbers ends, Numbers known,
                 Numbers sizes, bool gated, bool partial, int64_t bins, double bound, bool up) {
  auto net = std::make_shared<Layer>();
  ffi::Error error = Call{args, widths, ends, known, sizes, gated, partial, bins, bound}.read(*net);
  if (error.failure()) return error;
  net->out = out->typed_data();
  net->slope = slope->typed_data();
  bool by_feature = known.size() > 0;
  in_blocks(pool, net->rows, [net, up, by_feature](long row, long n) {
    float* work = scratch(net->scratch);
    if (by_feature)
      code().solve(*net, row, n, work);
    else
      code().evaluate(*net, up, row, n, work);
  });
  return ffi::Error::Success();
}

ffi::Error differentiated(ffi::ThreadPool pool, ffi::RemainingArgs args, ffi::RemainingRets rets,
                          Numbers widths, Numbers ends, Numbers sizes, bool gated, bool partial, int64_t bins,
                          double bound) {
  auto net = std::make_shared<Layer>();
  auto g = std::make_shared<Gradient>();
  ffi::Error error = Call{args, widths, ends, Numbers(), sizes, gated, partial, bins, bound}.read(*net);
  if (error.failure()) return error;
  auto g_out = args.get<ffi::Buffer<ffi::F32>>(args.size() - 2);
  auto g_slope = args.get<ffi::Buffer<ffi::F32>>(args.size() - 1);
  if (!g_out.has_value() || !g_slope.has_value() ||
      g_out->element_count() != static_cast<size_t>(net->shape.features * net->rows) ||
      g_slope->element_count() != static_cast<size_t>(net->rows))
    return ffi::Error::InvalidArgument("pushforward: cotangents of another shape or kind");
  g->out = g_out->typed_data();
  g->slope = g_slope->typed_data();
  size_t next = 0;
  auto give = [&] { return (*rets.get<ffi::Buffer<ffi::F32>>(next++))->typed_data(); };
  g->x = give();
  g->v = give();
  for (int l = 0; l < net->n_levels; l++) g->sums[l] = give(), g->units[l] = give();
  for (int i = 0; i < net->n_leaves; i++) g->leaves[i] = give();
  in_blocks(pool, net->rows, [net, g](long row, long n) {
    code().gradient(*net, *g, row, n, scratch(net->scratch));
  });
  return ffi::Error::Success();
}

}  // namespace

// Tells whether this processor has one of the instruction sets that the code is compiled for.
extern "C" bool PushforwardServes() { return code().evaluate != nullptr; }

XLA_FFI_DEFINE_HANDLER_SYMBOL(PushforwardMoved, moved,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .Ret<ffi::Buffer<ffi::F32>>()
                                  .Ret<ffi::Buffer<ffi::F32>>()
                                  .Attr<Numbers>("widths")
                                  .Attr<Numbers>("ends")
                                  .Attr<Numbers>("known")
                                  .Attr<Numbers>("sizes")
                                  .Attr<bool>("gated")
                                  .Attr<bool>("partial")
                                  .Attr<int64_t>("bins")
                                  .Attr<double>("bound")
                                  .Attr<bool>("up"));

XLA_FFI_DEFINE_HANDLER_SYMBOL(PushforwardGradient, differentiated,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .RemainingArgs()
                                  .RemainingRets()
                                  .Attr<Numbers>("widths")
                                  .Attr<Numbers>("ends")
                                  .Attr<Numbers>("sizes")
                                  .Attr<bool>("gated")
                                  .Attr<bool>("partial")
                                  .Attr<int64_t>("bins")
                                  .Attr<double>("bound"));
