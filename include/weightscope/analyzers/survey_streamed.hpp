#pragma once
// Surveys of large float and double tensors in two passes over memory: the first one counts how many weights lie in each of 65,536
// bins, which places every asked order statistic and count in a few bins; the second one resolves those.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/analyzers/bin_ranks.hpp>
#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/analyzers/survey_moments.hpp>
#include <weightscope/analyzers/survey_second_pass.hpp>
#include <weightscope/core/bin_magnitudes.hpp>
#include <weightscope/core/percentile.hpp>
#include <weightscope/core/value_bins.hpp>

namespace weightscope::detail {

// Counts per bin, and single values in the bins that were wanted. Has the interface that answer_order_questions asks for.
template <class T>
class binned_values
{
public:
    explicit binned_values(std::vector<std::uint64_t> counts) : ranks_(std::move(counts)) {}

    // Marks the bins that the answers depend on.
    void plan(const element_questions& questions)
    {
        const std::uint64_t n = ranks_.total();
        if (n == 0)
            return;
        for (const double p : questions.percentiles)
            want_rank(rank_of(p, n));
        for (const double p : questions.magnitude_percentiles) {
            const percentile_rank rank = rank_of(p, n);
            want_magnitude(ranks_.find_magnitude(rank.below).bin);
            want_magnitude(ranks_.find_magnitude(rank.above).bin);
        }
        for (const double t : questions.thresholds)
            want_magnitude(magnitude_of_bin(bin_of<T>(t)));
        if (questions.outliers) {
            const bin_range q1 = want_rank(rank_of(0.25, n)), q3 = want_rank(rank_of(0.75, n));
            for (const double factor : {fence_factor, extreme_fence_factor}) {
                want_range((1 + factor) * q1.lower - factor * q3.upper, (1 + factor) * q1.upper - factor * q3.lower);
                want_range((1 + factor) * q3.lower - factor * q1.upper, (1 + factor) * q3.upper - factor * q1.lower);
            }
        }
    }

    std::vector<wanted_bin> wanted_bins() const
    {
        std::vector<wanted_bin> bins;
        for (const auto& entry : by_value_)
            if (ranks_.count(entry.first) > 0)
                bins.push_back({entry.first, ranks_.count(entry.first)});
        return bins;
    }

    // Takes what the second pass found in the wanted bins.
    void resolve(std::map<std::size_t, bin_magnitudes> contents)
    {
        contents.merge(by_value_);  // bins without weights stay empty
        by_value_ = std::move(contents);
        for (auto& [m, both] : by_magnitude_)
            both = bin_magnitudes::merged(by_value_[0x8000 + m], by_value_[0x7fff - m]);
    }

    double kth(std::uint64_t k) const
    {
        const auto [bin, inside] = ranks_.find(k);
        const bin_magnitudes& found = by_value_.at(bin);
        return bin >= 0x8000 ? found.kth(inside) : -found.kth(found.total() - 1 - inside);  // the largest magnitude is the lowest
    }
    double kth_magnitude(std::uint64_t k) const
    {
        const auto [m, inside] = ranks_.find_magnitude(k);
        return by_magnitude_.at(m).kth(inside);
    }
    std::uint64_t count_below(double x) const
    {
        const std::size_t bin = bin_of<T>(x);
        const bin_magnitudes& found = by_value_.at(bin);
        return ranks_.before(bin) + (bin >= 0x8000 ? found.count_below(x) : found.total() - found.count_at_most(-x));
    }
    std::uint64_t count_at_most(double x) const
    {
        const std::size_t bin = bin_of<T>(x);
        const bin_magnitudes& found = by_value_.at(bin);
        return ranks_.before(bin) + (bin >= 0x8000 ? found.count_at_most(x) : found.total() - found.count_below(-x));
    }
    std::uint64_t count_magnitude_at_most(double t) const
    {
        const std::size_t m = magnitude_of_bin(bin_of<T>(t));
        return ranks_.magnitudes_before(m) + by_magnitude_.at(m).count_at_most(t);
    }
    const bin_ranks& ranks() const { return ranks_; }

private:
    void want(std::size_t bin) { by_value_.try_emplace(bin); }
    void want_magnitude(std::size_t m)
    {
        by_magnitude_.try_emplace(m);
        want(0x8000 + m);
        want(0x7fff - m);
    }
    bin_range want_rank(const percentile_rank& rank)
    {
        const std::size_t below = ranks_.find(rank.below).bin, above = ranks_.find(rank.above).bin;
        want(below);
        want(above);
        return {range_of_bin<T>(below).lower, range_of_bin<T>(above).upper};
    }
    void want_range(double lower, double upper)
    {
        for (std::size_t bin = bin_of<T>(lower), last = bin_of<T>(upper); bin <= last; ++bin)
            want(bin);
    }

    bin_ranks ranks_;
    std::map<std::size_t, bin_magnitudes> by_value_, by_magnitude_;
};

// The nearest number to x that parts the bins: weights of the bins below `first_bin` are less than `edge`, the others are not.
struct bin_edge
{
    std::size_t first_bin = 0;
    double edge = 0;
};

template <class T>
bin_edge nearest_edge(double x)
{
    const std::size_t bin = bin_of<T>(x);
    const bin_range range = range_of_bin<T>(bin);
    bool upper = range.upper - x < x - range.lower;
    if (bin == 0x8000 || bin == 0x7fff)
        upper = bin == 0x8000;  // the edge between them would part -0 from +0
    if (bin >= 0x8000)
        return upper ? bin_edge{bin + 1, range.upper} : bin_edge{bin, range.lower};
    // a bin of negative weights contains its upper end
    const auto after = [](double end) { return static_cast<double>(std::nextafter(static_cast<T>(end), T{1})); };
    return upper ? bin_edge{bin + 1, after(range.upper)} : bin_edge{bin, after(range.lower)};
}

// Evenly spaced edges, each moved to the nearest edge of a bin, where the first pass has counted exactly.
template <class T>
value_histogram histogram_of(const binned_values<T>& values, const value_moments& moments, std::size_t bins)
{
    value_histogram histogram;
    const bin_ranks& ranks = values.ranks();
    if (ranks.total() == 0)
        return histogram;
    histogram.edges = {moments.min};
    std::uint64_t before = 0;
    for (std::size_t i = 1; i < bins; ++i) {
        const double even = interpolate(moments.min, moments.max, static_cast<double>(i) / static_cast<double>(bins));
        const auto [first_bin, edge] = nearest_edge<T>(even);
        if (!(edge > histogram.edges.back() && edge < moments.max))
            continue;
        const std::uint64_t below = ranks.before(first_bin);
        histogram.edges.push_back(edge);
        histogram.counts.push_back(below - before);
        before = below;
    }
    histogram.edges.push_back(moments.max);
    histogram.counts.push_back(ranks.total() - before);
    return histogram;
}

template <class T>
element_survey survey_by_passes(std::span<const T> weights, const element_questions& questions)
{
    const bool ordered = questions.outliers || questions.histogram_bins || !questions.percentiles.empty()
                      || !questions.magnitude_percentiles.empty() || !questions.thresholds.empty();
    first_pass_result first = first_pass(weights, ordered);
    element_survey survey{.census = first.census, .moments = first.moments};
    binned_values<T> values(std::move(first.bin_counts));
    if (ordered)
        values.plan(questions);

    const double levels = questions.quantization_bits ? symmetric_levels(questions.quantization_bits) : 0;
    survey.quantization.scale = levels > 0 ? survey.max_magnitude() / levels : 0;
    values.resolve(second_pass(weights, values.wanted_bins(), survey.quantization));

    answer_order_questions(values, questions, survey);
    if (questions.histogram_bins)
        survey.histogram = histogram_of(values, survey.moments, questions.histogram_bins);
    return survey;
}

}  // namespace weightscope::detail
