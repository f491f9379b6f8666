#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <weightscope/core/value_bins.hpp>

namespace weightscope::detail {

// The bin that holds one of the numbers in ascending order, and how many numbers of that bin come before it.
struct bin_rank
{
    std::size_t bin = 0;
    std::uint64_t inside = 0;
};

// How many finite numbers lie in each of the bins of value_bins.hpp, and in those before it: of the numbers, and of their magnitudes, whose
// bins are the indices m.
class bin_ranks
{
public:
    explicit bin_ranks(std::vector<std::uint64_t> counts) : counts_(std::move(counts)), ends_(value_bin_count), magnitude_ends_(finite_magnitude_bins)
    {
        std::uint64_t sum = 0, magnitude_sum = 0;
        for (std::size_t bin = 0; bin < value_bin_count; ++bin)
            ends_[bin] = sum += counts_[bin];
        for (std::size_t m = 0; m < finite_magnitude_bins; ++m)
            magnitude_ends_[m] = magnitude_sum += counts_[0x8000 + m] + counts_[0x7fff - m];
    }

    std::uint64_t total() const { return ends_.back(); }
    std::uint64_t count(std::size_t bin) const { return counts_[bin]; }
    std::uint64_t before(std::size_t bin) const { return bin == 0 ? 0 : ends_[bin - 1]; }
    std::uint64_t magnitudes_before(std::size_t m) const { return m == 0 ? 0 : magnitude_ends_[m - 1]; }

    // Of number k, 0-based; k < total()
    bin_rank find(std::uint64_t k) const
    {
        const std::size_t bin = position(ends_, k);
        return {bin, k - before(bin)};
    }
    bin_rank find_magnitude(std::uint64_t k) const
    {
        const std::size_t m = position(magnitude_ends_, k);
        return {m, k - magnitudes_before(m)};
    }

private:
    static std::size_t position(const std::vector<std::uint64_t>& ends, std::uint64_t k)
    {
        return static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), k) - ends.begin());
    }

    std::vector<std::uint64_t> counts_, ends_, magnitude_ends_;
};

}  // namespace weightscope::detail
