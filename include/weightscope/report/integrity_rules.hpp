#pragma once
// Rules about what a tensor holds at all: unreadable, broken, empty and repeated ones.

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <weightscope/analyzers/bit_flips.hpp>
#include <weightscope/core/metric.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/report/layer_facts.hpp>
#include <weightscope/report/number_text.hpp>
#include <weightscope/report/rule.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/report/score_limits.hpp>

namespace weightscope::detail {

inline bool is_one_value(const layer_result& layer)
{
    return layer.basic_stats && layer.basic_stats->census.finite_count() == layer.parameters && layer.parameters > 1
           && layer.basic_stats->min.value == layer.basic_stats->max.value;
}

inline rule unreadable_rule()
{
    return {.id = "unreadable",
            .label = "analysis failed",
            .metric_name = "error",
            .value = [](const layer_result& layer) { return metric(layer.error.empty() ? 0 : 1); },
            .compare = comparison::at_least,
            .critical = 1,
            .meaning = "nothing is known about this tensor",
            .remedy = "Fetch or export the file again.",
            .describe = [](const layer_result& layer) { return layer.error; },
            .score_limit = unfit};
}

inline rule nonfinite_rule()
{
    return {.id = "nonfinite",
            .label = "NaN and infinite entries",
            .metric_name = "basic_stats.nan_count + inf_count",
            .value =
                [](const layer_result& layer) {
                    const auto census = census_of(layer);
                    return census ? metric(static_cast<double>(census->nan_count + census->infinity_count()))
                                  : metric::missing("not measured");
                },
            .critical = 0,
            .meaning = "whatever this layer feeds becomes NaN or infinite",
            .remedy =
                "Go back to the last checkpoint without them; lower the learning rate or clip gradients if training "
                "diverged, "
                "scale before the conversion if a narrow format overflowed.",
            .describe =
                [](const layer_result& layer) {
                    const value_census census = census_of(layer).value_or(value_census{});
                    return fmt::format("{} NaN and {} infinite among {} entries", grouped(census.nan_count),
                                       grouped(census.infinity_count()), grouped(census.count));
                },
            .score_limit = unfit};
}

inline rule all_zero_rule()
{
    return {
        .id = "all_zero",
        .label = "zeros",
        .metric_name = "basic_stats.zeros_percentage",
        .value = zeros_percentage,
        .compare = comparison::at_least,
        .critical = 100,
        .unit = "%",
        .meaning = "the layer passes nothing on",
        .remedy = "Check that the export wrote this tensor; an adapter's second factor is zero until it is trained.",
        .applies =
            [](const layer_result& layer) {
                const auto census = census_of(layer);
                return holds_matrix_with_zeros(layer) && layer.parameters > 1
                       && (!census || census->finite_count() == layer.parameters);
            },
        .describe =
            [](const layer_result& layer) { return fmt::format("all {} weights are 0", grouped(layer.parameters)); },
        .score_limit = no_excellent};
}

inline rule constant_rule()
{
    return {.id = "constant",
            .label = "max - min",
            .metric_name = "basic_stats.max - basic_stats.min",
            .value =
                [](const layer_result& layer) {
                    if (!layer.basic_stats)
                        return metric::missing("not measured");
                    const basic_stats_result& stats = *layer.basic_stats;
                    return stats.min.exists() ? metric(stats.max.value - stats.min.value) : stats.min;
                },
            .compare = comparison::at_most,
            .warning = 0,
            .meaning = "the layer sees only the sum of its inputs",
            .remedy = "Check that the layer was initialised at random and trained.",
            .applies =
                [](const layer_result& layer) {
                    return holds_real_matrix(layer) && is_one_value(layer) && layer.basic_stats->min.value != 0;
                },
            .describe =
                [](const layer_result& layer) {
                    return fmt::format("each of the {} weights is {}", grouped(layer.parameters),
                                       figure(layer.basic_stats->min));
                }};
}

inline rule tied_copy_rule()
{
    return {.id = "tied_copy",
            .label = "weights stored twice",
            .metric_name = "duplicate_of",
            .value = [](const layer_result& layer) { return metric(static_cast<double>(layer.parameters)); },
            .info = 0,
            .meaning = "the file is larger than it need be",
            .remedy = "Tie the two tensors when saving, if the architecture does.",
            .applies = [](const layer_result& layer) { return !layer.duplicate_of.empty(); },
            .describe =
                [](const layer_result& layer) {
                    const auto type = parse_dtype(layer.dtype);
                    const std::string saved = type ? fmt::format("; tying them would save {} bytes",
                                                                 grouped(layer.parameters * bits_of(*type) / 8))
                                                   : "";
                    return fmt::format("stored twice: equal to {}{}", printable(layer.duplicate_of), saved);
                },
            .judges_copies = true};
}

// Of all biases and norm gains, the share that is exactly 0 and 1, as initialised. Two of each at least: one alone may be by design.
// One weight that is 256 times every other one, and would be one of them with one bit of its exponent cleared. 65,536 times is
// beyond what any layer can make up for.
inline rule bit_flips_rule()
{
    return {.id = "bit_flips",
            .label = "log2 of a suspect weight over the largest other one",
            .metric_name = "bit_flips.excess_bits",
            .value =
                [](const layer_result& layer) {
                    if (layer.bit_flips)
                        return layer.bit_flips->excess_bits;
                    return layer.quantization ? metric(0) : metric::missing("not measured");
                },
            .compare = comparison::at_least,
            .warning = 8,
            .critical = 16,
            .meaning = "one flipped bit of the exponent would explain it",
            .remedy = "Compare the file with its checksum or another copy; fetch it again.",
            .applies = holds_real_matrix,
            .describe =
                [](const layer_result& layer) {
                    const bit_flips_result& flips = *layer.bit_flips;
                    return fmt::format("{} weight{} stand{} apart: element {} is {}, the largest other one {}; with bit {} of its "
                                       "exponent cleared it is {}",
                                       flips.suspect_count, flips.suspect_count == 1 ? "" : "s", flips.suspect_count == 1 ? "s" : "",
                                       flips.index, figure(flips.value), figure(flips.next_magnitude), flips.exponent_bit,
                                       figure(flips.restored));
                },
            .explained_by = {"nonfinite"},
            .score_limit = no_excellent};
}

// Scales of a quantized tensor that stand beside its codes in the file.
inline metric bad_scale_count(const layer_result& layer)
{
    const std::string_view part = last_part(layer.name);
    const bool scales = part.find("scale") != std::string_view::npos || part.find("absmax") != std::string_view::npos || part == "SCB";
    if (layer.skipped.empty() || !scales || !layer.census)
        return metric::missing("no scales");
    return metric(static_cast<double>(layer.census->nan_count + layer.census->infinity_count() + layer.census->zero_count));
}

inline rule bad_scales_rule()
{
    return {.id = "bad_scales",
            .label = "scales that are 0, NaN or infinite",
            .metric_name = "census.zero_count + nan_count + inf_count",
            .value = bad_scale_count,
            .warning = 0,
            .meaning = "every weight that such a scale belongs to is lost",
            .remedy = "Quantize the layer again; a group of zeros may have the scale 1.",
            .applies = [](const layer_result& layer) { return bad_scale_count(layer).exists(); },
            .judges_parts = true};
}

}  // namespace weightscope::detail
