#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

namespace weightscope::detail {

struct value_count
{
    double value = 0;
    std::uint64_t count = 0;
};

inline void sort_ascending(std::vector<value_count>& values)
{
    std::sort(values.begin(), values.end(), [](const value_count& a, const value_count& b) { return a.value < b.value; });
}

// Finite numbers in ascending order, each with its number of copies. Counts and order statistics take O(log n).
class value_multiset
{
public:
    value_multiset() = default;
    explicit value_multiset(std::vector<value_count> ascending) : ascending_(std::move(ascending))
    {
        ends_.reserve(ascending_.size());
        std::uint64_t sum = 0;
        for (const value_count& entry : ascending_)
            ends_.push_back(sum += entry.count);
    }

    const std::vector<value_count>& ascending() const { return ascending_; }
    std::uint64_t total() const { return ends_.empty() ? 0 : ends_.back(); }

    // 0-based order statistic; k < total()
    double kth(std::uint64_t k) const
    {
        return ascending_[static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), k) - ends_.begin())].value;
    }
    std::uint64_t count_below(double x) const
    {
        return count_before(std::partition_point(ascending_.begin(), ascending_.end(), [x](auto& e) { return e.value < x; }));
    }
    std::uint64_t count_at_most(double x) const
    {
        return count_before(std::partition_point(ascending_.begin(), ascending_.end(), [x](auto& e) { return e.value <= x; }));
    }

private:
    std::uint64_t count_before(std::vector<value_count>::const_iterator position) const
    {
        const auto i = static_cast<std::size_t>(position - ascending_.begin());
        return i == 0 ? 0 : ends_[i - 1];
    }

    std::vector<value_count> ascending_;
    std::vector<std::uint64_t> ends_;
};

// The magnitudes of values in ascending order: one merge, from zero outwards.
inline std::vector<value_count> magnitudes_of(const std::vector<value_count>& ascending)
{
    const auto zero = std::partition_point(ascending.begin(), ascending.end(), [](auto& e) { return e.value < 0; });
    std::vector<value_count> magnitudes;
    magnitudes.reserve(ascending.size());
    auto negative = std::make_reverse_iterator(zero);
    auto positive = zero;
    while (negative != ascending.rend() || positive != ascending.end()) {
        const bool take_negative = positive == ascending.end()
                                || (negative != ascending.rend() && -negative->value <= positive->value);
        magnitudes.push_back(take_negative ? value_count{-negative->value, negative->count} : *positive);
        take_negative ? static_cast<void>(++negative) : static_cast<void>(++positive);
    }
    return magnitudes;
}

}  // namespace weightscope::detail
