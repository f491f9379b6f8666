#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include <weightscope/quantizers/group_scale.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope {

/// How the range of activations is chosen from what was seen.
enum class observer_method
{
    min_max,     ///< all of it
    percentile,  ///< but what is beyond a percentile
    mse,         ///< what leaves the least Σ e²
    entropy,     ///< what leaves the least Kullback-Leibler divergence
};

namespace detail {

// Counts in bins of a width that is a power of two, doubled when something does not fit: two bins become one, nothing is counted
// wrong, and the end result does not depend on the order.
class activation_histogram
{
public:
    static constexpr std::ptrdiff_t half = 4096;  // bins on each side of 0

    void add(double x)
    {
        if (x != 0 && (total_ == zeros_ || std::fabs(x) >= limit_))
            widen(std::fabs(x));
        ++total_;
        if (x == 0)
            ++zeros_;
        else
            ++counts_[static_cast<std::size_t>(bin_of(x) + half)];
    }

    double total() const { return static_cast<double>(total_); }
    double zeros() const { return static_cast<double>(zeros_); }
    double width() const { return width_; }
    double count(std::ptrdiff_t bin) const { return counts_.empty() ? 0 : static_cast<double>(counts_[static_cast<std::size_t>(bin + half)]); }
    double centre(std::ptrdiff_t bin) const { return (static_cast<double>(bin) + 0.5) * width(); }

private:
    std::ptrdiff_t bin_of(double x) const { return static_cast<std::ptrdiff_t>(std::floor(x / width_)); }

    // The least exponent e with magnitude < half 2^e, not below what is there already, nor what a double can hold.
    void widen(double magnitude)
    {
        int exponent = 0;
        (void)std::frexp(magnitude, &exponent);  // magnitude < 2^exponent
        exponent = std::max(exponent - 12, -1000);
        if (counts_.empty()) {
            counts_.resize(2 * half);
            exponent_ = exponent;
        }
        for (; exponent_ < exponent; ++exponent_) {
            std::vector<std::uint64_t> merged(counts_.size());
            for (std::ptrdiff_t bin = -half; bin < half; ++bin)
                merged[static_cast<std::size_t>((bin >= 0 ? bin / 2 : (bin - 1) / 2) + half)] += counts_[static_cast<std::size_t>(bin + half)];
            counts_ = std::move(merged);
        }
        width_ = std::ldexp(1.0, exponent_);
        limit_ = width_ * static_cast<double>(half);
    }

    std::vector<std::uint64_t> counts_ = {};
    int exponent_ = 0;
    double width_ = 1, limit_ = 0;  // 2^exponent, and beyond the last bin
    std::uint64_t total_ = 0, zeros_ = 0;
};

struct activation_range
{
    double low = 0, high = 0;
};

struct range_error
{
    double squared = 0;  // Σ e²
    double clipped = 0;  // activations
};

// Of a range that holds 0, and of a magnitude where symmetric. Unlike a group of weights, a range of one number has no code of its own.
inline group_code code_of_activations(const activation_range& range, const scheme& s)
{
    const double magnitude = std::max(-range.low, range.high);
    if (!(magnitude > 0))
        return {};
    return s.symmetric ? symmetric_code(magnitude, s) : asymmetric_code(range.low, range.high, s);
}

// What a code loses of the centres of the bins.
inline range_error error_of_code(const activation_histogram& histogram, const group_code& code, const scheme& s)
{
    range_error result;
    const double lowest = s.lowest_code(), highest = s.highest_code();
    for (std::ptrdiff_t bin = -activation_histogram::half; bin < activation_histogram::half; ++bin) {
        const double count = histogram.count(bin);
        if (count == 0)
            continue;
        const double x = histogram.centre(bin), q = std::nearbyint(x / code.scale) + code.zero_point;
        const double level = q < lowest ? lowest : q > highest ? highest : q;
        const double e = x - (level - code.zero_point) * code.scale;
        result.squared += count * e * e;
        // the outermost bin that the range reaches into is not beyond it
        const double beyond = x > 0 ? x - (highest - code.zero_point) * code.scale : (lowest - code.zero_point) * code.scale - x;
        result.clipped += beyond > histogram.width() ? count : 0;
    }
    return result;
}

// The magnitude (sign 0), or the positive or negative side (1, -1), that `share` of all activations does not exceed.
inline double cut_off(const activation_histogram& histogram, double share, int sign, double largest)
{
    double beyond = histogram.total() * (1 - share);
    std::ptrdiff_t bin = activation_histogram::half - 1;
    for (; bin >= 0; --bin) {
        beyond -= (sign >= 0 ? histogram.count(bin) : 0) + (sign <= 0 ? histogram.count(-1 - bin) : 0);
        if (beyond < 0)
            break;
    }
    return std::min(static_cast<double>(bin + 1) * histogram.width(), largest);
}

// Σ p log(p / q) over the bins that hold something: p is the histogram with what is cut off in its outermost bins, q spreads the weight
// of each level evenly over the bins that it stands for and that hold something. Infinite where q is 0 and p is not.
inline double divergence_of_code(const activation_histogram& histogram, const group_code& code, const scheme& s)
{
    const double lowest = s.lowest_code(), highest = s.highest_code();
    const auto level_of = [&](double x) {
        const double q = std::nearbyint(x / code.scale) + code.zero_point;
        return q < lowest ? lowest : q > highest ? highest : q;
    };
    const auto is_inside = [&](double x) {
        const double q = std::nearbyint(x / code.scale) + code.zero_point;
        return q >= lowest && q <= highest;
    };
    double divergence = 0, outside_low = 0, outside_high = 0;
    double level = 0, sum = 0, bins = 0, inside_total = 0;
    std::vector<double> group;  // counts of the bins of one level
    struct closed_level
    {
        std::vector<double> counts;
        double sum, bins;
    };
    std::vector<closed_level> levels;
    const auto close = [&] {
        if (bins > 0)
            levels.push_back({group, sum, bins});
        group.clear();
        sum = bins = 0;
    };
    for (std::ptrdiff_t bin = -activation_histogram::half; bin < activation_histogram::half; ++bin) {
        const double count = histogram.count(bin), x = histogram.centre(bin);
        if (count == 0)
            continue;
        if (!is_inside(x)) {
            (x < 0 ? outside_low : outside_high) += count;
            continue;
        }
        if (bins > 0 && level_of(x) != level)
            close();
        level = level_of(x);
        group.push_back(count);
        sum += count;
        bins += 1;
        inside_total += count;
    }
    close();
    if (levels.empty() || inside_total == 0)
        return std::numeric_limits<double>::infinity();
    const double all = inside_total + outside_low + outside_high;
    for (std::size_t l = 0; l < levels.size(); ++l) {
        const double q = levels[l].sum / levels[l].bins / inside_total;
        for (std::size_t b = 0; b < levels[l].counts.size(); ++b) {
            double count = levels[l].counts[b];
            count += l == 0 && b == 0 ? outside_low : 0;
            count += l + 1 == levels.size() && b + 1 == levels[l].counts.size() ? outside_high : 0;
            const double p = count / all;
            divergence += p * std::log(p / q);
        }
    }
    return divergence;
}

// The best of a grid of shares of the range: one share for both sides where symmetric, else each side in its turn, twice.
template <class Loss>
activation_range shrink_range(const activation_range& whole, const scheme& s, const Loss& loss)
{
    constexpr int steps = 128;
    activation_range best = whole;
    double least = loss(best);
    const auto attempt = [&](const activation_range& range) {
        if (const double here = loss(range); here < least) {
            least = here;
            best = range;
        }
    };
    for (int turn = 0; turn < (s.symmetric ? 1 : 4); ++turn) {
        const activation_range from = best;
        for (int step = steps - 1; step > 0; --step) {
            const double share = static_cast<double>(step) / steps;
            attempt({s.symmetric || turn % 2 == 1 ? whole.low * share : from.low, s.symmetric || turn % 2 == 0 ? whole.high * share : from.high});
        }
    }
    return best;
}

inline activation_range choose_range(const activation_histogram& histogram, double min, double max, observer_method method, double percentile,
                                     const scheme& s)
{
    const activation_range whole{std::min(min, 0.0), std::max(max, 0.0)};
    if (histogram.total() == histogram.zeros())
        return whole;
    switch (method) {
    case observer_method::min_max: break;
    case observer_method::percentile: {
        const double share = percentile / 100;
        if (s.symmetric) {
            const double magnitude = cut_off(histogram, share, 0, std::max(-whole.low, whole.high));
            return {-magnitude, magnitude};
        }
        return {-cut_off(histogram, share, -1, -whole.low), cut_off(histogram, share, 1, whole.high)};
    }
    case observer_method::mse:
        return shrink_range(whole, s, [&](const activation_range& range) {
            return error_of_code(histogram, code_of_activations(range, s), s).squared;
        });
    case observer_method::entropy:
        return shrink_range(whole, s, [&](const activation_range& range) {
            return divergence_of_code(histogram, code_of_activations(range, s), s);
        });
    }
    return whole;
}

}  // namespace detail

}  // namespace weightscope
