#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include <weightscope/analyzers/bit_map_result.hpp>
#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/metric.hpp>

namespace weightscope::detail {

// Counts numbers by their binade.
class bit_binades
{
public:
    bit_binades() : bit_binades(-1074, 1024) {}
    // of magnitudes from 2^lowest to below 2^beyond
    bit_binades(int lowest, int beyond) : lowest_(lowest), counts_(static_cast<std::size_t>(beyond - lowest)) {}

    void add(double magnitude, std::uint64_t count) { counts_[static_cast<std::size_t>(std::ilogb(magnitude) - lowest_)] += count; }

    // of the same range

    void add(const bit_binades& other)
    {
        for (std::size_t i = 0; i < counts_.size(); ++i)
            counts_[i] += other.counts_[i];
    }

    std::vector<binade_count> list() const
    {
        std::vector<binade_count> result;
        for (std::size_t i = 0; i < counts_.size(); ++i)
            if (counts_[i] > 0)
                result.push_back({static_cast<int>(i) + lowest_, counts_[i]});
        return result;
    }

private:
    int lowest_;
    std::vector<std::uint64_t> counts_;
};

// Sizes of the weights that the sizes of changes are compared with.
struct bit_limits
{
    double max_magnitude = 0, large = 0;  // large: rms_factor · rms
};

// The flips of one bit position, some at a time.
class bit_position_sums
{
public:
    explicit bit_position_sums(const bit_limits& limits, bit_binades binades = {}) : limits_(limits), binades_(std::move(binades)) {}

    // `count` weights of one value; `index` is the first of them
    void add(double old_value, double new_value, std::uint64_t count, std::size_t index)
    {
        const flip_outcome outcome = bit_outcome(old_value, new_value);
        add_outcome(outcome, count);
        if (outcome == flip_outcome::finite)
            add_change(old_value, new_value, count, index);
    }

    // flips that end at the same kind of value
    void add_outcome(flip_outcome outcome, std::uint64_t count)
    {
        position_.flip_count += count;
        position_.nan_count += outcome == flip_outcome::nan ? count : 0;
        position_.infinite_count += outcome == flip_outcome::infinite ? count : 0;
        position_.unchanged_count += outcome == flip_outcome::unchanged ? count : 0;
    }

    // flips of one size, which add_outcome has been told of
    void add_change(double old_value, double new_value, std::uint64_t count, std::size_t index)
    {
        const double change = size_of(old_value, new_value);
        take_max(change, old_value, new_value, index);
        add_sums(change * static_cast<double>(count), change * change * static_cast<double>(count));
        binades_.add(change, count);
        add_above(change > limits_.max_magnitude ? count : 0, change > limits_.large ? count : 0);
    }

    void add_sums(double sum, double squares)
    {
        sum_ += sum;
        squares_ += squares;
    }
    void add_binade(double change, std::uint64_t count) { binades_.add(change, count); }
    void add_above(std::uint64_t above_max, std::uint64_t above_large)
    {
        position_.above_max_count += above_max;
        position_.above_rms_count += above_large;
    }
    void take_max(double change, double old_value, double new_value, std::size_t index)
    {
        if (change > max_ || (change == max_ && index < position_.max_index)) {
            max_ = change;
            position_.max_old = old_value;
            position_.max_new = new_value;
            position_.max_index = index;
        }
    }

    // values of the largest change, where only its size was told
    void set_values(double old_value, double new_value)
    {
        position_.max_old = old_value;
        position_.max_new = new_value;
    }

    // flips that another one has counted
    void add(const bit_position_sums& other)
    {
        position_.flip_count += other.position_.flip_count;
        position_.nan_count += other.position_.nan_count;
        position_.infinite_count += other.position_.infinite_count;
        position_.unchanged_count += other.position_.unchanged_count;
        add_above(other.position_.above_max_count, other.position_.above_rms_count);
        add_sums(other.sum_, other.squares_);
        binades_.add(other.binades_);
        if (other.max_ >= 0)
            take_max(other.max_, other.position_.max_old, other.position_.max_new, other.position_.max_index);
    }

    bit_position finished(bit_class kind, unsigned bit) const
    {
        bit_position result = position_;
        result.kind = kind;
        result.bit = bit;
        result.changes = binades_.list();
        const auto finite = static_cast<double>(result.flip_count - result.nan_count - result.infinite_count);
        const bool any = finite > 0;
        result.max_change = max_ >= 0 ? metric(max_) : metric::missing("no flip gives another finite weight");
        result.mean_change = any ? metric(sum_ / finite) : metric::missing("no flip gives a finite weight");
        result.rms_change = any ? metric(std::sqrt(squares_ / finite)) : metric::missing("no flip gives a finite weight");
        return result;
    }

    // |new - old|; what is beyond the largest double counts as that
    static double size_of(double old_value, double new_value)
    {
        const double change = std::fabs(new_value - old_value), most = std::numeric_limits<double>::max();
        return change < most ? change : most;
    }

private:
    bit_limits limits_;
    bit_position position_;
    bit_binades binades_;
    double sum_ = 0, squares_ = 0, max_ = -1;
};

}  // namespace weightscope::detail
