#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <weightscope/analyzers/bit_flips.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE std::vector<placed_magnitude> largest_magnitudes(const weight_source& w, std::size_t limit)
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

WEIGHTSCOPE_INLINE bit_flips_result detect_bit_flips(const weight_source& w, const bit_flips_options& options)
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

}  // namespace weightscope::detail
