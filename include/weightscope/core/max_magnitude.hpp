#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <vector>

#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
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
        constexpr bits mask = static_cast<bits>(~bits{0}) >> 1;
        bits lane[lane_count] = {};
        std::size_t i = 0;
        for (; i + lane_count <= count; i += lane_count)
            for (std::size_t l = 0; l < lane_count; ++l) {
                const bits magnitude = std::bit_cast<bits>(x[i + l]) & mask;
                lane[l] = magnitude > lane[l] ? magnitude : lane[l];
            }
        for (; i < count; ++i) {
            const bits magnitude = std::bit_cast<bits>(x[i]) & mask;
            lane[0] = magnitude > lane[0] ? magnitude : lane[0];
        }
        bits largest = 0;
        for (std::size_t l = 0; l < lane_count; ++l)
            largest = lane[l] > largest ? lane[l] : largest;
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
