#pragma once

#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "weightscope must not be compiled with -ffinite-math-only (part of -ffast-math): it could not tell NaN and Inf apart, \
and its sums are already written in independent lanes that vectorise without it. Add -fno-finite-math-only."
#endif

#include <cstddef>

namespace weightscope::detail {

// Elements per independent piece of work. Fixed, so that the order of every sum is fixed: 256 Ki floats are 1 MiB, enough to
// hide the cost of a task, small enough to balance the load.
inline constexpr std::size_t chunk_elements = std::size_t{1} << 18;

// Elements that several kernels visit in turn while they are in the first-level cache.
inline constexpr std::size_t block_elements = 4096;

// Independent partial sums that every kernel keeps. Strict floating point forbids the compiler to reorder one sum; lanes that the
// source writes out vectorise as well as under -ffast-math (measured: 6.61 ms against 6.58 ms on 16.8M floats).
// A kernel runs as f<lane_count> over the whole multiples of it and as f<1> over the rest: a loop over the rest that touched the
// same lanes would keep them in memory instead of registers (measured: 2.4 times slower).
inline constexpr std::size_t lane_count = 8;

}  // namespace weightscope::detail
