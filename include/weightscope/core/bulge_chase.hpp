#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <thread>
#include <vector>

#include <weightscope/core/band_reduction.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/simd.hpp>

namespace weightscope::detail {

// Sweep s makes column s tridiagonal. Its step 0 reflects rows s + 1 ... s + Width, which fills the block below; step k > 0 works on
// the block k · Width rows further down: the reflection of the step before from the right, a new one that clears the block's
// first column from the left, and the new one from both sides on the diagonal block beside it.
template <std::size_t Width>
struct bulge_kernel
{
    static_assert(Width % 8 == 0);
    using vector = simd_vector<double>;
    static constexpr std::size_t stride = band_matrix<Width>::stride;
    static constexpr std::size_t lanes = simd<double>::width;

    // steps [begin, end) of sweep s; v [Width] and tau keep the last reflection, I - tau v vᵀ
    [[gnu::always_inline]] void operator()(double* band, std::size_t s, std::size_t begin, std::size_t end, double* v, double* tau) const
    {
        for (std::size_t k = begin; k < end; ++k) {
            const std::size_t row = s + 1 + k * Width;
            if (k == 0)
                *tau = reflection(band + 1 + s * stride, v);
            else
                *tau = pass_block(band + Width + (row - Width) * stride, v, *tau);
            reflect_diagonal_block(band + row * stride, v, *tau);
        }
    }

private:
    [[gnu::always_inline]] static double sum(const vector& x) { return (x[0] + x[2]) + (x[1] + x[3]); }

    [[gnu::always_inline]] static double dot(const double* a, const double* b)
    {
        vector even = {}, odd = {};
        for (std::size_t i = 0; i < Width; i += 2 * lanes) {
            even += *group_at(a + i) * *group_at(b + i);
            odd += *group_at(a + i + lanes) * *group_at(b + i + lanes);
        }
        return sum(even + odd);
    }

    // The reflection that turns x [Width] into (beta, 0, ...), as LAPACK's dlarfg; the matrix is scaled, so that squares are safe.
    [[gnu::always_inline]] static double reflection(double* x, double* v)
    {
        const double alpha = x[0];
        x[0] = 0;
        const double tail = dot(x, x);
        if (tail == 0) {
            for (std::size_t i = 0; i < Width; ++i)
                v[i] = 0;
            v[0] = 1;
            x[0] = alpha;
            return 0;
        }
        const double length = std::sqrt(alpha * alpha + tail), beta = alpha > 0 ? -length : length;
        for (std::size_t i = 0; i < Width; i += lanes) {
            *group_at(v + i) = *group_at(x + i) / (alpha - beta);
            *group_at(x + i) = vector{};
        }
        v[0] = 1;
        x[0] = beta;
        return (beta - alpha) / beta;
    }

    // The Width x Width block at o: times the reflection from the right, then a new one from the left. Element (i, j) at o[i + j (stride - 1)].
    [[gnu::always_inline]] static double pass_block(double* o, double* v, double tau)
    {
        constexpr std::size_t group = Width % 24 == 0 ? 6 : 2;  // vectors that stay in registers
        alignas(32) double u[Width], next[Width];               // u = tau O v
        for (std::size_t i = 0; i < Width; i += group * lanes) {
            vector part[group] = {};
            for (std::size_t j = 0; j < Width; ++j)
#pragma GCC unroll 6
                for (std::size_t g = 0; g < group; ++g)
                    part[g] += *group_at(o + i + g * lanes + j * (stride - 1)) * v[j];
#pragma GCC unroll 6
            for (std::size_t g = 0; g < group; ++g)
                *group_at(u + i + g * lanes) = part[g] * tau;
        }
        for (std::size_t i = 0; i < Width; i += lanes)
            *group_at(o + i) -= *group_at(u + i);  // v[0] is 1
        const double next_tau = reflection(o, next), u_next = dot(u, next);
        for (std::size_t j = 1; j < Width; ++j) {
            double* const column = o + j * (stride - 1);
            const double weight = (dot(column, next) - v[j] * u_next) * next_tau;
            for (std::size_t i = 0; i < Width; i += lanes)
                *group_at(column + i) -= *group_at(u + i) * v[j] + *group_at(next + i) * weight;
        }
        std::copy_n(next, Width, v);
        return next_tau;
    }

    // D <- H D H = D - v wᵀ - w vᵀ for w = p - tau (pᵀv) v / 2, p = tau D v. Only the lower triangle exists: vectors that
    // reach over the diagonal are masked.
    [[gnu::always_inline]] static void reflect_diagonal_block(double* d, const double* v, double tau)
    {
        constexpr double below[lanes][lanes] = {{0, 1, 1, 1}, {0, 0, 1, 1}, {0, 0, 0, 1}, {0, 0, 0, 0}};
        constexpr double from[lanes][lanes] = {{1, 1, 1, 1}, {0, 1, 1, 1}, {0, 0, 1, 1}, {0, 0, 0, 1}};
        alignas(32) double w[Width] = {};
        for (std::size_t j = 0; j < Width; ++j) {
            const double* const column = d + j * (stride - 1);
            const std::size_t start = j - j % lanes;
            vector x = *group_at(column + start) * *group_at(below[j % lanes]);
            vector mirrored = x * *group_at(v + start);
            *group_at(w + start) += x * v[j];
            for (std::size_t i = start + lanes; i < Width; i += lanes) {
                x = *group_at(column + i);
                mirrored += x * *group_at(v + i);
                *group_at(w + i) += x * v[j];
            }
            w[j] += sum(mirrored) + column[j] * v[j];
        }
        const double shift = 0.5 * tau * tau * dot(w, v);
        for (std::size_t i = 0; i < Width; i += lanes)
            *group_at(w + i) = *group_at(w + i) * tau - *group_at(v + i) * shift;
        for (std::size_t j = 0; j < Width; ++j) {
            double* const column = d + j * (stride - 1);
            const std::size_t start = j - j % lanes;
            *group_at(column + start) -= (*group_at(v + start) * w[j] + *group_at(w + start) * v[j]) * *group_at(from[j % lanes]);
            for (std::size_t i = start + lanes; i < Width; i += lanes)
                *group_at(column + i) -= *group_at(v + i) * w[j] + *group_at(w + i) * v[j];
        }
    }
};

/// The tridiagonal matrix that is orthogonally similar to `band`; destroys it.
///
/// 6 n² Width flops. Sweeps are taken `depth` at a time; a unit of work does 2 · depth steps of each, two steps later for every
/// sweep, so that its data stay in the first-level cache. A unit follows the next one of the group before, and touches other elements
/// than all that follow that: groups run in parallel, one behind the other, with the same bits for any number of threads.
///
/// @see  Haidar, Ltaief & Dongarra 2011, Parallel reduction to condensed forms, doi:10.1145/2063384.2063394
template <std::size_t Width>
[[nodiscard]] tridiagonal chase_bulges(band_matrix<Width>&& band)
{
    constexpr std::size_t depth = 4, length = 2 * depth;
    const std::size_t n = band.size;
    if (n > 2) {
        const std::size_t sweeps = n - 2, groups = (sweeps + depth - 1) / depth;
        const auto steps = [n](std::size_t s) { return (n - 1 - s + Width - 1) / Width; };
        const std::size_t units = (steps(0) + 2 * (depth - 1) + length - 1) / length;
        std::vector<double> v(groups * depth * Width), tau(groups * depth);
        std::vector<std::atomic<std::size_t>> done(groups);  // units of a group
        std::atomic<std::size_t> next = 0;
        const std::size_t useful = (units + 1) / 2;  // groups that can be under way at once, two units apart
        parallel_for(std::min(concurrency(), useful), [&](std::size_t) {
            for (std::size_t group = next++; group < groups; group = next++)
                for (std::size_t unit = 0; unit < units; ++unit) {
                    // groups are begun in order, and whoever has begun one works on it: nobody waits for work that nobody does
                    while (group > 0 && done[group - 1].load(std::memory_order_acquire) < std::min(unit + 2, units))
                        std::this_thread::yield();
                    for (std::size_t k = 0; k < depth && group * depth + k < sweeps; ++k) {
                        const std::size_t s = group * depth + k, delay = 2 * k;
                        const std::size_t begin = unit * length > delay ? unit * length - delay : 0;
                        const std::size_t end = std::min(steps(s), (unit + 1) * length - delay);
                        if (begin < end)
                            dispatch(bulge_kernel<Width>{}, band.data.data(), s, begin, end, v.data() + s * Width, tau.data() + s);
                    }
                    done[group].store(unit + 1, std::memory_order_release);
                }
        });
    }
    tridiagonal result{std::vector<double>(n), std::vector<double>(n)};
    for (std::size_t j = 0; j < n; ++j) {
        result.diagonal[j] = band.column(j)[0];
        result.off_diagonal[j] = band.column(j)[1];
    }
    return result;
}

}  // namespace weightscope::detail
