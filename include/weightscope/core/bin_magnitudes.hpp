#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <weightscope/core/value_bins.hpp>

namespace weightscope::detail {

// The magnitudes of the weights in one bin: sorted, or, where there are many floats, counted by the 16 bits that a bin leaves open.
class bin_magnitudes
{
public:
    static constexpr std::size_t table_size = 65536;

    bin_magnitudes() = default;
    explicit bin_magnitudes(std::vector<double> ascending) : sorted_(std::move(ascending)), total_(sorted_.size()) {}

    // counts[i] weights have the magnitude bits m << 16 | i
    bin_magnitudes(std::vector<std::uint64_t> counts, std::uint32_t m) : counts_(std::move(counts)), m_(m)
    {
        for (const std::uint64_t count : counts_)
            total_ += count;
    }

    std::uint64_t total() const { return total_; }

    // 0-based order statistic; k < total()
    double kth(std::uint64_t k) const
    {
        if (counts_.empty())
            return sorted_[k];
        std::size_t i = 0;
        for (; k >= counts_[i]; ++i)
            k -= counts_[i];
        return magnitude(i);
    }
    std::uint64_t count_below(double x) const
    {
        return count_while([x](double magnitude) { return magnitude < x; });
    }
    std::uint64_t count_at_most(double x) const
    {
        return count_while([x](double magnitude) { return magnitude <= x; });
    }

    // The magnitudes of two bins of one m together.
    static bin_magnitudes merged(const bin_magnitudes& a, const bin_magnitudes& b)
    {
        if (a.counts_.empty() && b.counts_.empty()) {
            std::vector<double> both(a.sorted_.size() + b.sorted_.size());
            std::merge(a.sorted_.begin(), a.sorted_.end(), b.sorted_.begin(), b.sorted_.end(), both.begin());
            return bin_magnitudes(std::move(both));
        }
        std::vector<std::uint64_t> counts(table_size);
        for (const bin_magnitudes* part : {&a, &b}) {
            for (std::size_t i = 0; i < part->counts_.size(); ++i)
                counts[i] += part->counts_[i];
            for (const double magnitude : part->sorted_)
                ++counts[std::bit_cast<std::uint32_t>(static_cast<float>(magnitude)) & 0xffff];
        }
        return bin_magnitudes(std::move(counts), a.counts_.empty() ? b.m_ : a.m_);
    }

private:
    double magnitude(std::size_t i) const
    {
        return static_cast<double>(std::bit_cast<float>(m_ << 16 | static_cast<std::uint32_t>(i)));
    }
    template <class Predicate>
    std::uint64_t count_while(const Predicate& holds) const
    {
        if (counts_.empty())
            return static_cast<std::uint64_t>(std::partition_point(sorted_.begin(), sorted_.end(), holds) - sorted_.begin());
        std::uint64_t count = 0;
        for (std::size_t i = 0; i < counts_.size() && holds(magnitude(i)); ++i)
            count += counts_[i];
        return count;
    }

    std::vector<double> sorted_;
    std::vector<std::uint64_t> counts_;
    std::uint32_t m_ = 0;
    std::uint64_t total_ = 0;
};

}  // namespace weightscope::detail
