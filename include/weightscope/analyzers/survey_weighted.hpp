#pragma once
// Surveys of tensors whose distinct values fit in a short list: narrow types, and tensors small enough to sort.

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/per_thread.hpp>
#include <weightscope/core/percentile.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/value_multiset.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope::detail {

// The whole tensor, by value and by magnitude.
struct weighted_values
{
    value_multiset values, magnitudes;

    explicit weighted_values(std::vector<value_count> ascending)
        : values(std::move(ascending)), magnitudes(magnitudes_of(values.ascending()))
    {
    }

    double kth(std::uint64_t k) const { return values.kth(k); }
    double kth_magnitude(std::uint64_t k) const { return magnitudes.kth(k); }
    std::uint64_t count_below(double x) const { return values.count_below(x); }
    std::uint64_t count_at_most(double x) const { return values.count_at_most(x); }
    std::uint64_t count_magnitude_at_most(double t) const { return magnitudes.count_at_most(t); }
};

inline value_moments moments_of(const std::vector<value_count>& values)
{
    value_moments m;
    if (values.empty())
        return m;
    m.min = values.front().value;
    m.max = values.back().value;
    double sum = 0, total = 0;
    const double shift = values[values.size() / 2].value;
    for (const auto& [value, count] : values) {
        const auto c = static_cast<double>(count);
        sum += c * (value - shift);
        total += c;
        m.sum_magnitude += c * std::fabs(value);
    }
    m.mean = shift + sum / total;
    for (const auto& [value, count] : values) {
        const double d = value - m.mean, d2 = d * d, c = static_cast<double>(count);
        m.m2 += c * d2;
        m.m3 += c * d2 * d;
        m.m4 += c * d2 * d2;
    }
    return m;
}

inline quantization_error_sums quantization_errors_of(const std::vector<value_count>& values, double max_magnitude, int bits)
{
    quantization_error_sums sums{.scale = max_magnitude / symmetric_levels(bits)};
    if (!(sums.scale > 0))
        return sums;
    for (const auto& [value, count] : values) {
        const double error = value - std::nearbyint(value / sums.scale) * sums.scale, c = static_cast<double>(count);
        sums.squared_error += c * error * error;
        sums.absolute_error += c * std::fabs(error);
        sums.signal_error += c * value * error;
    }
    return sums;
}

inline value_histogram histogram_of(const value_multiset& values, const value_moments& moments, std::size_t bins)
{
    value_histogram histogram;
    if (values.total() == 0)
        return histogram;
    if (moments.min == moments.max)
        return {.edges = {moments.min, moments.max}, .counts = {values.total()}};
    std::uint64_t before = 0;
    for (std::size_t i = 0; i <= bins; ++i) {
        const double edge = interpolate(moments.min, moments.max, static_cast<double>(i) / static_cast<double>(bins));
        const std::uint64_t below = i == bins ? values.total() : values.count_below(edge);
        histogram.edges.push_back(edge);
        if (i > 0)
            histogram.counts.push_back(below - before);
        before = below;
    }
    return histogram;
}

inline element_survey survey_values(value_census census, std::vector<value_count> ascending, const element_questions& questions)
{
    const weighted_values values(std::move(ascending));
    element_survey survey{.census = census, .moments = moments_of(values.values.ascending())};
    answer_order_questions(values, questions, survey);
    if (questions.quantization_bits)
        survey.quantization = quantization_errors_of(values.values.ascending(), survey.max_magnitude(), questions.quantization_bits);
    if (questions.histogram_bins)
        survey.histogram = histogram_of(values.values, survey.moments, questions.histogram_bins);
    return survey;
}

// Adds `copies` entries of one value to the census; false where the value is not finite.
inline bool take_census(value_census& census, double value, std::uint64_t copies, double min_normal)
{
    census.count += copies;
    if (std::isnan(value)) {
        census.nan_count += copies;
        return false;
    }
    if (std::isinf(value)) {
        (value > 0 ? census.positive_infinity_count : census.negative_infinity_count) += copies;
        return false;
    }
    if (value == 0) {
        census.zero_count += copies;
        census.negative_zero_count += std::signbit(value) ? copies : 0;
    } else if (std::fabs(value) < min_normal) {
        census.subnormal_count += copies;
    }
    return true;
}

inline element_survey survey_by_sorting(const weight_source& weights, const element_questions& questions)
{
    value_census census;
    std::vector<value_count> values;
    values.reserve(weights.size);
    for (const double w : to_doubles(weights))
        if (take_census(census, w, 1, weights.min_normal))
            values.push_back({w, 1});
    sort_ascending(values);
    return survey_values(census, std::move(values), questions);
}

// How often each bit pattern occurs. Counts in 32 bits, which are half the cache, and moves them on before they could overflow. Where
// neighbours are often equal there are two tables in turn, so that they do not wait for their own store; else one, since the second
// would be in the way of the first (f16: 80 KB each of the 20,000 patterns that weights have).
template <std::unsigned_integral Pattern>
class pattern_counts
{
public:
    static constexpr std::size_t patterns = std::size_t{1} << (8 * sizeof(Pattern));

    void add(std::span<const Pattern> elements)
    {
        if (pending_ + elements.size() > std::numeric_limits<std::uint32_t>::max())
            settle();
        pending_ += elements.size();
        constexpr std::size_t piece = std::size_t{1} << 14;
        for (; !elements.empty(); elements = elements.subspan(std::min(piece, elements.size()))) {
            const auto next = elements.first(std::min(piece, elements.size()));
            if (sizeof(Pattern) == 1 || often_equal(next))
                add_to<2>(next);
            else
                add_to<1>(next);
        }
    }
    // of all that was added
    const std::vector<std::uint64_t>& counts()
    {
        settle();
        return counts_;
    }

private:
    template <std::size_t Tables>
    void add_to(std::span<const Pattern> elements)
    {
        std::uint32_t* const tables = tables_.data();
        constexpr std::size_t together = sizeof(std::uint64_t) / sizeof(Pattern);
        const std::size_t whole = elements.size() - elements.size() % together;
        for (std::size_t i = 0; i < whole; i += together) {
            std::uint64_t word;
            std::memcpy(&word, elements.data() + i, sizeof word);
#pragma GCC unroll 8
            for (std::size_t j = 0; j < together; ++j) {
                const auto pattern = static_cast<Pattern>(word >> (8 * sizeof(Pattern) * j));
                ++tables[j % Tables * patterns + pattern];
            }
        }
        for (const Pattern element : elements.subspan(whole))
            ++tables[element];
    }

    // Neighbours among the first elements.
    static bool often_equal(std::span<const Pattern> elements)
    {
        constexpr std::size_t sample = 256, many = 16;
        std::size_t equal = 0;
        for (std::size_t i = 1; i < std::min(sample, elements.size()); ++i)
            equal += elements[i - 1] == elements[i];
        return equal >= many;
    }

    void settle()
    {
        for (std::size_t i = 0; i < patterns; ++i)
            counts_[i] += std::uint64_t{tables_[i]} + tables_[patterns + i];
        std::fill(tables_.begin(), tables_.end(), 0);
        pending_ = 0;
    }

    std::vector<std::uint32_t> tables_ = std::vector<std::uint32_t>(2 * patterns);
    std::vector<std::uint64_t> counts_ = std::vector<std::uint64_t>(patterns);
    std::uint64_t pending_ = 0;
};

// From how often each pattern of a type occurs, of which decoded(pattern) is the value.
template <class Decoded>
element_survey survey_counts(std::span<const std::uint64_t> counts, const Decoded& decoded, double min_normal, const element_questions& questions)
{
    value_census census;
    std::vector<value_count> values;
    values.reserve(counts.size());
    const auto take = [&](std::size_t pattern) {
        if (counts[pattern] == 0)
            return;
        const double value = decoded(pattern);
        if (take_census(census, value, counts[pattern], min_normal))
            values.push_back({value, counts[pattern]});
    };
    for (std::size_t i = counts.size(); i-- > counts.size() / 2;)  // floating-point numbers ascend in this order
        take(i);
    for (std::size_t i = 0; i < counts.size() / 2; ++i)
        take(i);
    if (!std::is_sorted(values.begin(), values.end(), [](const value_count& a, const value_count& b) { return a.value < b.value; }))
        sort_ascending(values);
    return survey_values(census, std::move(values), questions);
}

// One pass over a type of 8 or 16 bits.
template <std::unsigned_integral Pattern>
element_survey survey_by_patterns(const weight_source& weights, const element_questions& questions)
{
    constexpr std::size_t patterns = pattern_counts<Pattern>::patterns;
    const std::span<const Pattern> elements = weights.as<Pattern>();
    per_thread<pattern_counts<Pattern>> threads;
    parallel_for((elements.size() + chunk_elements - 1) / chunk_elements, [&](std::size_t chunk) {
        const std::size_t begin = chunk * chunk_elements;
        threads.local().add(elements.subspan(begin, std::min(elements.size() - begin, chunk_elements)));
    });
    std::vector<std::uint64_t> counts(patterns);
    for (pattern_counts<Pattern>& thread : threads) {
        const std::vector<std::uint64_t>& seen = thread.counts();
        for (std::size_t i = 0; i < patterns; ++i)
            counts[i] += seen[i];
    }

    std::vector<Pattern> codes(patterns);
    std::iota(codes.begin(), codes.end(), Pattern{0});
    std::vector<double> decoded(patterns);
    weights.read_double(codes.data(), 0, patterns, decoded.data());
    return survey_counts(counts, [&](std::size_t pattern) { return decoded[pattern]; }, weights.min_normal, questions);
}

}  // namespace weightscope::detail
