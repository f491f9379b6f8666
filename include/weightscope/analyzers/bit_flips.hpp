#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <weightscope/core/concepts.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope {

struct bit_flips_options
{
    int least_excess_bits = 8;       ///< a suspect is at least 2^this times the largest weight that is none; 1 or more
    std::size_t most_suspects = 8;   ///< where more weights stand apart they are taken for a tail, not for flips; 1 to 64
};

/// Weights that look like others with one bit of their exponent set. Figures other than the counts are those of the largest one.
struct bit_flips_result
{
    std::size_t suspect_count = 0;
    metric excess_bits = {};      ///< log2(|value| / next_magnitude); missing without a suspect
    metric value = {};            ///< as stored
    metric restored = {};         ///< with the bit cleared
    metric next_magnitude = {};   ///< the largest |w| that is no suspect
    std::size_t index = 0;        ///< row-major
    int exponent_bit = 0;         ///< the bit of the exponent field, 0 the lowest: clearing it divides by 2^(2^bit)
};

namespace detail {

struct placed_magnitude
{
    double magnitude = 0;
    std::size_t index = 0;
};

// The `limit` largest finite magnitudes, largest first, the earlier one first where they are equal.
inline std::vector<placed_magnitude> largest_magnitudes(const weight_source& w, std::size_t limit)
{
    const auto before = [](const placed_magnitude& a, const placed_magnitude& b) {
        return a.magnitude != b.magnitude ? a.magnitude > b.magnitude : a.index < b.index;
    };
    const auto add = [&](std::vector<placed_magnitude>& best, const placed_magnitude& entry) {
        if (best.size() == limit && !before(entry, best.back()))
            return;
        best.insert(std::upper_bound(best.begin(), best.end(), entry, before), entry);
        if (best.size() > limit)
            best.pop_back();
    };
    std::vector<placed_magnitude> result;
    for (const auto& part : map_chunks(w.size, chunk_elements, [&](std::size_t begin, std::size_t end) {
             std::vector<placed_magnitude> best;
             std::vector<double> block(std::min(end - begin, block_elements));
             for (; begin < end; begin += block_elements) {
                 const std::size_t size = std::min(end - begin, block_elements);
                 w.read_double(w.data, begin, size, block.data());
                 const double largest = dispatch(max_magnitude_kernel<double>{}, static_cast<const double*>(block.data()), size);
                 if (best.size() == limit && largest <= best.back().magnitude)
                     continue;
                 for (std::size_t i = 0; i < size; ++i)
                     if (std::isfinite(block[i]))
                         add(best, {std::fabs(block[i]), begin + i});
             }
             return best;
         }))
        for (const placed_magnitude& entry : part)
            add(result, entry);
    return result;
}

struct cleared_bit
{
    double magnitude = 0;  // 0: no bit does it
    int bit = 0;
};

// One bit of the exponent field cleared, so that the magnitude is at most `next` and not absurdly far below it.
inline cleared_bit clear_exponent_bit(double magnitude, double next, double min_normal)
{
    constexpr double least_share = 0x1p-16;
    const int field = std::ilogb(magnitude) - std::ilogb(min_normal) + 1;
    cleared_bit best;
    for (int bit = 0; field >> bit > 0; ++bit) {
        const double restored = std::ldexp(magnitude, -(1 << bit));
        if ((field >> bit & 1) && restored <= next && restored >= least_share * next && restored > best.magnitude)
            best = {restored, bit};
    }
    return best;
}

inline bit_flips_result detect_bit_flips(const weight_source& w, const bit_flips_options& options)
{
    bit_flips_result result;
    result.excess_bits = result.value = result.restored = result.next_magnitude = metric::missing("no suspect");
    if (!(w.min_normal > 0))
        return result;
    const auto largest = largest_magnitudes(w, options.most_suspects + 1);
    for (std::size_t count = 1; count < largest.size(); ++count) {
        const double next = largest[count].magnitude;
        if (!(next > 0) || largest[count - 1].magnitude < std::ldexp(next, options.least_excess_bits))
            continue;
        for (std::size_t i = 0; i < count; ++i)
            if (clear_exponent_bit(largest[i].magnitude, next, w.min_normal).magnitude == 0)
                return result;
        const cleared_bit cleared = clear_exponent_bit(largest[0].magnitude, next, w.min_normal);
        double stored = 0;
        w.read_double(w.data, largest[0].index, 1, &stored);
        result.suspect_count = count;
        result.excess_bits = std::log2(largest[0].magnitude / next);
        result.value = stored;
        result.restored = std::copysign(cleared.magnitude, stored);
        result.next_magnitude = next;
        result.index = largest[0].index;
        result.exponent_bit = cleared.bit;
        return result;
    }
    return result;
}

}  // namespace detail

/// Looks for weights that one flipped bit of the exponent explains: some few that are 2^8 times all others, and would be among them with
/// that bit cleared.
///
///     |w_1| >= ... >= |w_k| >= 2^least_excess_bits |w_{k+1}|,   |w_i| / 2^(2^bit) in [2^-16 |w_{k+1}|, |w_{k+1}|]
///
/// @param weights  any rank, layout and floating-point or storage scalar; integers have no exponent, and no suspects
/// @param options  see bit_flips_options
/// @return         see bit_flips_result; entries that are not finite are passed by
/// @throws std::invalid_argument  an option out of range
/// @note           one pass over the data; same result for any number of threads
template <tensor W>
[[nodiscard]] bit_flips_result detect_bit_flips(const W& weights, const bit_flips_options& options = {})
{
    require(options.least_excess_bits >= 1, "detect_bit_flips(weights, options): least_excess_bits is {}, expected 1 or more",
            options.least_excess_bits);
    require(options.most_suspects >= 1 && options.most_suspects <= 64,
            "detect_bit_flips(weights, options): most_suspects is {}, expected 1 to 64", options.most_suspects);
    return detail::with_source(weights, [&](const auto& source) { return detail::detect_bit_flips(source, options); });
}

}  // namespace weightscope
