#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/metric.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/quantization_study_picks.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope::detail {

// A layer without a limit of its own may lose 30 dB: as much as recommend_quantization lets it.
inline constexpr double usual_limit = 0.0316;

inline double squared_error_of(const variant_result& variant)
{
    return variant.error.sums.squared_error;
}

inline void mark_frontier(std::vector<variant_result>& variants)
{
    for (variant_result& one : variants)
        one.on_frontier = std::none_of(variants.begin(), variants.end(), [&](const variant_result& other) {
            const bool no_worse = other.bytes <= one.bytes && squared_error_of(other) <= squared_error_of(one);
            return no_worse && (other.bytes < one.bytes || squared_error_of(other) < squared_error_of(one));
        });
}

// Whether every layer that the variant quantizes stays within the limit.
inline bool keeps_within(const quantization_study_result& study, const variant_result& variant, study_metric which, double limit)
{
    for (std::size_t i = 0; i < study.layers.size(); ++i)
        if (variant.picks[i].scheme != kept_as_stored && !within(figures_of(study.layers[i], variant.picks[i]).error, which, limit))
            return false;
    return variant.quantized_count > 0;
}

// The smallest variant that `allowed` lets be recommended; their number where there is none.
template <class Allowed>
std::size_t smallest_allowed(const std::vector<variant_result>& variants, const Allowed& allowed)
{
    std::size_t best = variants.size();
    for (std::size_t v = 0; v < variants.size(); ++v)
        if (allowed(variants[v])
            && (best == variants.size()
                || std::pair(variants[v].bytes, squared_error_of(variants[v])) < std::pair(variants[best].bytes, squared_error_of(variants[best]))))
            best = v;
    return best;
}

// Where losses were measured they count, and the errors of single layers only where a limit for them was asked for.
inline void recommend_by_loss(quantization_study_result& study)
{
    const auto& variants = study.variants;
    const double limit = study.settings.max_loss_increase;
    const auto change = [](const variant_result& v) { return v.quality ? v.quality->loss_change : metric(); };
    const auto words = [&](const variant_result& v) {
        const metric& error = v.quality->loss_change_error;
        return fmt::format("by {:.4f}{} to {:.4f}", change(v).value, error.exists() ? fmt::format(" ± {:.4f}", error.value) : "", v.quality->loss.value);
    };
    const std::size_t best = smallest_allowed(variants, [&](const variant_result& v) {
        return change(v).exists() && change(v).value <= limit && v.quantized_count > 0
               && (!study.settings.max_error || keeps_within(study, v, study.settings.error_metric, *study.settings.max_error));
    });
    if (best < variants.size()) {
        const std::string also = study.settings.max_error ? fmt::format(" and whose layers all stay within a {} of {}", to_string(study.settings.error_metric),
                                                                        *study.settings.max_error)
                                                          : std::string();
        study.recommended = best;
        study.recommended_because = fmt::format("the smallest whose measured loss rises by at most {}{}: it rises {}", limit, also, words(variants[best]));
        return;
    }
    std::size_t least = variants.size();
    for (std::size_t v = 0; v < variants.size(); ++v)
        if (change(variants[v]).exists() && (least == variants.size() || change(variants[v]).value < change(variants[least]).value))
            least = v;
    if (least == variants.size())
        return;  // no loss is a number: what the errors recommend stays
    study.recommended = least;
    study.recommended_because = fmt::format("no variant keeps the rise of the measured loss within {}{}, and this one's rises least: {}", limit,
                                            study.settings.max_error ? " and its layers within max_error" : "", words(variants[least]));
}

inline void recommend(quantization_study_result& study)
{
    const auto& variants = study.variants;
    const auto place = [&](auto found) { return static_cast<std::size_t>(found - variants.begin()); };
    study.best_accuracy = place(std::min_element(variants.begin(), variants.end(), [](const auto& a, const auto& b) {
        return std::pair(squared_error_of(a), a.bytes) < std::pair(squared_error_of(b), b.bytes);
    }));
    study.smallest = place(std::min_element(variants.begin(), variants.end(), [](const auto& a, const auto& b) {
        return std::pair(a.bytes, squared_error_of(a)) < std::pair(b.bytes, squared_error_of(b));
    }));

    const bool asked = study.settings.max_error.has_value();
    const study_metric which = asked ? study.settings.error_metric : study_metric::relative_error;
    const double limit = study.settings.max_error.value_or(usual_limit);
    const std::size_t best = smallest_allowed(variants, [&](const variant_result& v) { return keeps_within(study, v, which, limit); });
    const std::string bound = asked ? fmt::format("a {} of {}", to_string(which), limit) : fmt::format("a relative_error of {} (30 dB)", limit);
    study.recommended = best < variants.size() ? best : study.best_accuracy;
    study.recommended_because = best < variants.size()
                                    ? fmt::format("the smallest whose layers all stay within {}", bound)
                                    : fmt::format("no variant keeps all layers within {}, and this one loses least", bound);
    if (study.evaluation)
        recommend_by_loss(study);
}

// A scheme without what has no effect on it.
inline scheme canonical(scheme s)
{
    const scheme usual;
    const auto drop = [](bool unused, auto& field, auto value) { field = unused ? value : field; };
    drop(s.granularity != scale_granularity::per_group, s.group_size, usual.group_size);
    drop(s.granularity != scale_granularity::per_channel, s.channel_axis, usual.channel_axis);
    drop(s.granularity != scale_granularity::per_block, s.block_rows, usual.block_rows);
    drop(s.granularity != scale_granularity::per_block, s.block_cols, usual.block_cols);
    drop(s.rounding != rounding_mode::stochastic, s.seed, usual.seed);
    drop(s.search != range_search::percentile, s.percentile, usual.percentile);
    drop(s.search != range_search::p_norm, s.norm, usual.norm);
    return s;
}

// The only decision in which two variants differ; empty if there is none or another one.
inline std::string only_difference(const study_variant& a, const study_variant& b)
{
    const scheme x = canonical(a.normal), y = canonical(b.normal);
    const auto extent = [](const scheme& s) { return std::tuple(s.granularity, s.channel_axis, s.block_rows, s.block_cols); };
    const bool grouped = x.granularity == scale_granularity::per_group && y.granularity == scale_granularity::per_group;
    std::vector<std::string> found;
    const auto add = [&](bool differs, const char* name) {
        if (differs)
            found.emplace_back(name);
    };
    add(x.grid != y.grid, "grid");
    add(x.grid == y.grid && x.bits != y.bits, "bits");
    add(x.rules != y.rules, "convention");
    add(std::pair(x.symmetric, x.full_range) != std::pair(y.symmetric, y.full_range), "symmetry");
    add(extent(x) != extent(y), "granularity");
    add(grouped && x.group_size != y.group_size, "group size");
    add(std::pair(x.rounding, x.seed) != std::pair(y.rounding, y.seed), "rounding");
    add(x.scale != y.scale, "scale type");
    add(std::tuple(x.search, x.percentile, x.norm) != std::tuple(y.search, y.percentile, y.norm), "range search");
    add(a.skip_first_last != b.skip_first_last, "first and last layer");
    add(a.sensitive_layers != b.sensitive_layers, "sensitive layers");
    return found.size() == 1 ? found.front() : std::string();
}

inline study_knob compare_knob(std::string knob, const variant_result& from, const variant_result& to)
{
    study_knob result{.knob = std::move(knob), .from = from.name, .to = to.name};
    result.bytes_change = static_cast<std::int64_t>(to.bytes) - static_cast<std::int64_t>(from.bytes);
    const double before = squared_error_of(from), after = squared_error_of(to);
    result.error_change_db = before > 0 && after > 0 ? metric(10 * std::log10(after / before)) : metric::missing("no error");
    return result;
}

inline void sort_knobs(std::vector<study_knob>& knobs)
{
    const auto size = [](const study_knob& k) { return k.error_change_db.exists() ? std::fabs(k.error_change_db.value) : -1; };
    std::stable_sort(knobs.begin(), knobs.end(), [&](const auto& a, const auto& b) { return size(a) > size(b); });
}

}  // namespace weightscope::detail
