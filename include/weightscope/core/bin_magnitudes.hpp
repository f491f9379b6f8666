#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include <weightscope/core/value_bins.hpp>

namespace weightscope::detail {

// Many 16-bit numbers: sorted where they are few, else how many there are up to each number.
class low_bits
{
public:
    static constexpr std::size_t number_count = 65536;

    low_bits() = default;
    explicit low_bits(std::vector<std::uint16_t> ascending) : sorted_(std::move(ascending)) {}

    // counts[i] numbers are i
    explicit low_bits(std::vector<std::uint64_t> counts) : up_to_(std::move(counts))
    {
        for (std::size_t i = 1; i < up_to_.size(); ++i)
            up_to_[i] += up_to_[i - 1];
    }

    std::uint64_t count_up_to(std::size_t number) const
    {
        if (!up_to_.empty())
            return up_to_[number];
        return static_cast<std::uint64_t>(std::upper_bound(sorted_.begin(), sorted_.end(), number) - sorted_.begin());
    }

private:
    std::vector<std::uint16_t> sorted_;
    std::vector<std::uint64_t> up_to_;
};

// The magnitudes of the weights in one bin: doubles sorted, floats by the 16 bits that a bin leaves open.
class bin_magnitudes
{
public:
    bin_magnitudes() = default;
    explicit bin_magnitudes(std::vector<double> ascending) : sorted_(std::move(ascending)), total_(sorted_.size()) {}

    // of the floats with the bits m << 16 | number
    bin_magnitudes(low_bits numbers, std::uint32_t m) : parts_{std::make_shared<low_bits>(std::move(numbers))}, m_(m)
    {
        total_ = count_up_to(low_bits::number_count - 1);
    }

    std::uint64_t total() const { return total_; }

    // 0-based order statistic; k < total()
    double kth(std::uint64_t k) const
    {
        if (parts_.empty())
            return sorted_[k];
        return magnitude(first_number([&](std::size_t number) { return count_up_to(number) > k; }));
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
        bin_magnitudes both;
        std::merge(a.sorted_.begin(), a.sorted_.end(), b.sorted_.begin(), b.sorted_.end(), std::back_inserter(both.sorted_));
        both.parts_ = a.parts_;
        both.parts_.insert(both.parts_.end(), b.parts_.begin(), b.parts_.end());
        both.m_ = a.parts_.empty() ? b.m_ : a.m_;
        both.total_ = a.total_ + b.total_;
        return both;
    }

private:
    double magnitude(std::size_t number) const
    {
        return static_cast<double>(std::bit_cast<float>(m_ << 16 | static_cast<std::uint32_t>(number)));
    }
    std::uint64_t count_up_to(std::size_t number) const
    {
        std::uint64_t count = 0;
        for (const auto& part : parts_)
            count += part->count_up_to(number);
        return count;
    }
    // Smallest number for which `holds`, number_count if there is none; once it holds, it holds for all above.
    template <class Predicate>
    static std::size_t first_number(const Predicate& holds)
    {
        std::size_t begin = 0, end = low_bits::number_count;
        while (begin < end) {
            const std::size_t middle = (begin + end) / 2;
            if (holds(middle))
                end = middle;
            else
                begin = middle + 1;
        }
        return begin;
    }
    template <class Predicate>
    std::uint64_t count_while(const Predicate& holds) const
    {
        if (parts_.empty())
            return static_cast<std::uint64_t>(std::partition_point(sorted_.begin(), sorted_.end(), holds) - sorted_.begin());
        const std::size_t end = first_number([&](std::size_t number) { return !holds(magnitude(number)); });
        return end == 0 ? 0 : count_up_to(end - 1);
    }

    std::vector<double> sorted_;
    std::vector<std::shared_ptr<const low_bits>> parts_;
    std::uint32_t m_ = 0;
    std::uint64_t total_ = 0;
};

}  // namespace weightscope::detail
