#pragma once
// The sums over pairs of weights that compare_weights is made of.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/value_bins.hpp>

namespace weightscope::detail {

/// Over pairs (a, b) of finite weights; d = b - a. Pairs that are not finite are counted, no more.
struct pair_sums
{
    std::size_t count = 0;              // finite pairs
    std::size_t non_finite_count = 0;   // pairs of which one or both are not finite
    std::size_t appeared_count = 0;     // a is finite, b is not
    std::size_t changed_count = 0;      // b is not a; NaN is NaN
    std::size_t significant_count = 0;  // |d| > 0.01 |a|
    std::size_t zeroed_count = 0;       // b is 0, a is not
    double aa = 0, bb = 0, ab = 0, dd = 0;
    double magnitudes = 0;              // Σ |d|
    double shifted = 0, shifted_squares = 0;  // Σ (d - shift), Σ (d - shift)²
    double least = 0, most = 0;         // of d; 0 where there is none

    pair_sums& operator+=(const pair_sums& other)
    {
        least = count == 0 ? other.least : other.count == 0 ? least : std::min(least, other.least);
        most = count == 0 ? other.most : other.count == 0 ? most : std::max(most, other.most);
        count += other.count;
        non_finite_count += other.non_finite_count;
        appeared_count += other.appeared_count;
        changed_count += other.changed_count;
        significant_count += other.significant_count;
        zeroed_count += other.zeroed_count;
        aa += other.aa;
        bb += other.bb;
        ab += other.ab;
        dd += other.dd;
        magnitudes += other.magnitudes;
        shifted += other.shifted;
        shifted_squares += other.shifted_squares;
        return *this;
    }
};

struct pair_kernel
{
    typedef double lanes __attribute__((vector_size(32)));
    typedef std::int64_t counts __attribute__((vector_size(32)));

    struct products
    {
        lanes aa = {}, bb = {}, ab = {}, dd = {};
    };

    [[gnu::always_inline]] static void multiply(const double* x, const double* y, products& p)
    {
        lanes a, b;
        std::memcpy(&a, x, sizeof a);
        std::memcpy(&b, y, sizeof b);
        const lanes d = b - a;
        p.aa += a * a;
        p.bb += b * b;
        p.ab += a * b;
        p.dd += d * d;
    }

    // Adds to `sums` what belongs to `count` > 0 finite pairs.
    [[gnu::always_inline]] void operator()(const double* x, const double* y, std::size_t count, double shift, pair_sums* sums) const
    {
        products even, odd;
        const std::size_t whole = count - count % 8, quarter = count - count % 4;
        for (std::size_t i = 0; i < whole; i += 8) {
            multiply(x + i, y + i, even);
            multiply(x + i + 4, y + i + 4, odd);
        }
        lanes magnitudes = {}, shifted = {}, squares = {}, least = {}, most = {};
        counts changed = {}, significant = {}, zeroed = {};
        least += y[0] - x[0];
        most = least;
        for (std::size_t i = 0; i < quarter; i += 4) {
            lanes a, b;
            std::memcpy(&a, x + i, sizeof a);
            std::memcpy(&b, y + i, sizeof b);
            const lanes d = b - a, s = d - shift;
            const counts mask = counts{} + static_cast<std::int64_t>(magnitude_mask<double>);
            const lanes m = (lanes)((counts)d & mask), n = (lanes)((counts)a & mask);
            magnitudes += m;
            shifted += s;
            squares += s * s;
            least = d < least ? d : least;
            most = d > most ? d : most;
            changed -= d != 0;
            significant -= m > 0.01 * n;
            zeroed -= (b == 0) & (a != 0);
        }
        pair_sums part{.count = count, .least = least[0], .most = most[0]};
        for (std::size_t l = 0; l < 4; ++l) {
            part.aa += even.aa[l] + odd.aa[l];
            part.bb += even.bb[l] + odd.bb[l];
            part.ab += even.ab[l] + odd.ab[l];
            part.dd += even.dd[l] + odd.dd[l];
            part.magnitudes += magnitudes[l];
            part.shifted += shifted[l];
            part.shifted_squares += squares[l];
            part.least = least[l] < part.least ? least[l] : part.least;
            part.most = most[l] > part.most ? most[l] : part.most;
            part.changed_count += static_cast<std::size_t>(changed[l]);
            part.significant_count += static_cast<std::size_t>(significant[l]);
            part.zeroed_count += static_cast<std::size_t>(zeroed[l]);
        }
        for (std::size_t i = whole; i < count; ++i) {
            const double d = y[i] - x[i];
            part.aa += x[i] * x[i];
            part.bb += y[i] * y[i];
            part.ab += x[i] * y[i];
            part.dd += d * d;
        }
        for (std::size_t i = quarter; i < count; ++i) {
            const double d = y[i] - x[i], m = std::fabs(d);
            part.magnitudes += m;
            part.shifted += d - shift;
            part.shifted_squares += (d - shift) * (d - shift);
            part.least = d < part.least ? d : part.least;
            part.most = d > part.most ? d : part.most;
            part.changed_count += d != 0;
            part.significant_count += m > 0.01 * std::fabs(x[i]);
            part.zeroed_count += y[i] == 0 && x[i] != 0;
        }
        *sums += part;
    }
};

inline bool differ(double a, double b)
{
    return a != b && !(std::isnan(a) && std::isnan(b));
}

// The sums over `count` pairs, whatever they are.
inline pair_sums sums_of_pairs(const double* a, const double* b, std::size_t count, double shift)
{
    pair_sums sums;
    if (count == 0)
        return sums;
    dispatch(pair_kernel{}, a, b, count, shift, &sums);
    if (std::isfinite(sums.aa + sums.bb))
        return sums;
    std::vector<double> x, y;  // the finite ones
    sums = {};
    for (std::size_t i = 0; i < count; ++i) {
        if (std::isfinite(a[i]) && std::isfinite(b[i])) {
            x.push_back(a[i]);
            y.push_back(b[i]);
        } else {
            ++sums.non_finite_count;
            sums.appeared_count += std::isfinite(a[i]);
            sums.changed_count += differ(a[i], b[i]);
        }
    }
    if (!x.empty())
        dispatch(pair_kernel{}, static_cast<const double*>(x.data()), static_cast<const double*>(y.data()), x.size(), shift, &sums);
    return sums;
}

}  // namespace weightscope::detail
