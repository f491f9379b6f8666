#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/simd.hpp>
#include <weightscope/core/value_bins.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope::detail {

// Largest |x|. Magnitudes order like the integers of their bits, infinity above every number and NaN above infinity, and integer
// maxima vectorise under strict flags.
template <class Real>
struct max_magnitude_kernel
{
    [[gnu::always_inline]] Real operator()(const Real* x, std::size_t count) const
    {
        using bits = bits_of_value<Real>;
        constexpr std::size_t width = simd<bits>::width;
        simd_vector<bits> a = {}, b = {};
        for_each_group<2 * width>(x, count, [&](const Real* group) __attribute__((always_inline)) {
            simd_vector<bits> v, w;
            std::memcpy(&v, group, sizeof v);
            std::memcpy(&w, group + width, sizeof w);
            v &= magnitude_mask<Real>;
            w &= magnitude_mask<Real>;
            a = v > a ? v : a;
            b = w > b ? w : b;
        });
        a = b > a ? b : a;
        bits largest = 0;
        for (std::size_t l = 0; l < width; ++l)
            largest = a[l] > largest ? a[l] : largest;
        return std::bit_cast<Real>(largest);
    }
};

// Largest |w| of all elements; infinite or NaN where one of them is.
inline double max_magnitude(const weight_source& weights)
{
    const auto partials = map_chunks(weights.size, chunk_elements, [&](std::size_t begin, std::size_t end) {
        std::vector<double> largest_of_blocks, block(std::min(end - begin, block_elements));
        for (; begin < end; begin += block_elements) {
            const std::size_t size = std::min(end - begin, block_elements);
            weights.read_double(weights.data, begin, size, block.data());
            largest_of_blocks.push_back(dispatch(max_magnitude_kernel<double>{}, static_cast<const double*>(block.data()), size));
        }
        return max_magnitude_kernel<double>{}(largest_of_blocks.data(), largest_of_blocks.size());
    });
    return max_magnitude_kernel<double>{}(partials.data(), partials.size());
}

}  // namespace weightscope::detail
