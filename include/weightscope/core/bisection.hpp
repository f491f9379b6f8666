#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/linalg.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/simd.hpp>

namespace weightscope::detail {

// How many eigenvalues of a tridiagonal matrix lie below each of `shifts` numbers x: the changes of sign among the determinants of the
// leading blocks of T - x,
//
//     p[i] = (d[i] - x) p[i - 1] - e²[i - 1] p[i - 2].
//
// No division. With |T| <= 1 and e² >= 1e-36 eight steps keep pairs of them between 1e-150 and 1e5 of what they were.
struct sturm_kernel
{
    using vector = simd_vector<double>;
    using integers = simd_vector<std::int64_t>;
    static constexpr std::size_t groups = 3;  // chains of dependent steps that hide each other's latency and fit in the registers
    static constexpr std::size_t shifts = groups * simd<double>::width;
    static constexpr std::size_t steps = 8;   // between two scalings

    [[gnu::always_inline]] void operator()(const double* d, const double* squares, std::size_t n, const double* x, std::int64_t* counts) const
    {
        vector shift[groups], before[groups], here[groups];
        integers changes[groups];
        for (std::size_t g = 0; g < groups; ++g) {
            shift[g] = *group_at(x + g * simd<double>::width);
            before[g] = vector{};
            here[g] = 1 - vector{};
            changes[g] = integers{};
        }
        const auto step = [&](std::size_t i) __attribute__((always_inline)) {
#pragma GCC unroll 3
            for (std::size_t g = 0; g < groups; ++g) {
                const vector next = (d[i] - shift[g]) * here[g] - squares[i] * before[g];
                changes[g] -= (reinterpret_cast<integers>(next) ^ reinterpret_cast<integers>(here[g])) < 0;
                before[g] = here[g];
                here[g] = next;
            }
        };
        for (std::size_t begin = 0; begin < n; begin += steps) {
            if (n - begin >= steps)
#pragma GCC unroll 8
                for (std::size_t i = 0; i < steps; ++i)
                    step(begin + i);
            else
                for (std::size_t i = begin; i < n; ++i)
                    step(i);
#pragma GCC unroll 3
            for (std::size_t g = 0; g < groups; ++g) {  // times the power of two that brings the larger one near 1
                constexpr std::int64_t exponent = 0x7ff0000000000000, twice_one = 0x7fe0000000000000;
                const integers a = reinterpret_cast<integers>(here[g]) & exponent, b = reinterpret_cast<integers>(before[g]) & exponent;
                const integers inverse = twice_one - (a > b ? a : b);
                const vector scale = reinterpret_cast<vector>(inverse);
                here[g] *= scale;
                before[g] *= scale;
            }
        }
        for (std::size_t g = 0; g < groups; ++g)
            for (std::size_t l = 0; l < simd<double>::width; ++l)
                counts[g * simd<double>::width + l] = changes[g][l];
    }
};

/// Eigenvalues, ascending, to some 2⁻⁵³ of the largest magnitude: each by bisection, twelve at a time, in parallel. Some 250 n² operations,
/// all of them on vectors; the same bits for any number of threads.
///
/// @see  Barth, Martin & Wilkinson 1967, Calculation of the eigenvalues of a symmetric tridiagonal matrix by the method of bisection,
///       doi:10.1007/BF02162154
[[nodiscard]] inline std::vector<double> eigenvalues_by_bisection(tridiagonal&& t)
{
    constexpr std::size_t shifts = sturm_kernel::shifts;
    const std::size_t n = t.diagonal.size();
    double bound = 0;  // no eigenvalue is beyond the largest row sum
    for (std::size_t i = 0; i < n; ++i)
        bound = std::max(bound, std::fabs(t.diagonal[i]) + (i > 0 ? std::fabs(t.off_diagonal[i - 1]) : 0) + (i + 1 < n ? std::fabs(t.off_diagonal[i]) : 0));
    if (!(bound > 0))
        return std::vector<double>(n);
    int exponent = 0;
    std::frexp(bound, &exponent);
    std::vector<double> squares(n);
    for (std::size_t i = 0; i < n; ++i) {
        t.diagonal[i] = std::ldexp(t.diagonal[i], -exponent);
        const double off = i > 0 ? std::ldexp(t.off_diagonal[i - 1], -exponent) : 0;
        squares[i] = std::max(off * off, 1e-36);  // a change of 1e-18, far below the last digit
    }
    const std::size_t blocks = (n + shifts - 1) / shifts, places = blocks * shifts;
    const auto place = [places](std::size_t i) { return -1 + 2 * (static_cast<double>(i) / static_cast<double>(places)); };

    // first how many lie below each of as many places as there are values, evenly from -1 to 1
    std::vector<std::int64_t> below(places + 1);
    below[places] = static_cast<std::int64_t>(n);
    parallel_for(blocks, [&](std::size_t block) {
        double x[shifts];
        for (std::size_t l = 0; l < shifts; ++l)
            x[l] = place(block * shifts + l);
        dispatch(sturm_kernel{}, t.diagonal.data(), squares.data(), n, x, below.data() + block * shifts);
    });
    below[0] = 0;
    for (std::size_t i = 1; i <= places; ++i)
        below[i] = std::max(below[i], below[i - 1]);

    std::vector<double> values(n);
    const int halvings = 54 - static_cast<int>(std::log2(static_cast<double>(places)));
    parallel_for(blocks, [&](std::size_t block) {
        double low[shifts], high[shifts], middle[shifts];
        std::int64_t counts[shifts];
        for (std::size_t l = 0; l < shifts; ++l) {
            const auto index = static_cast<std::int64_t>(std::min(block * shifts + l, n - 1));
            const auto above = static_cast<std::size_t>(std::upper_bound(below.begin(), below.end(), index) - below.begin());
            low[l] = place(above - 1);
            high[l] = place(above);
        }
        for (int step = 0; step < halvings; ++step) {
            for (std::size_t l = 0; l < shifts; ++l)
                middle[l] = (low[l] + high[l]) / 2;
            dispatch(sturm_kernel{}, t.diagonal.data(), squares.data(), n, middle, counts);
            for (std::size_t l = 0; l < shifts; ++l)
                (static_cast<std::size_t>(counts[l]) > block * shifts + l ? high : low)[l] = middle[l];
        }
        for (std::size_t l = 0; l < shifts && block * shifts + l < n; ++l)
            values[block * shifts + l] = std::ldexp((low[l] + high[l]) / 2, exponent);
    });
    std::sort(values.begin(), values.end());  // neighbours within rounding may come in the wrong order
    return values;
}

}  // namespace weightscope::detail
