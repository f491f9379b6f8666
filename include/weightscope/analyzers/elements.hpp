#pragma once

#include <cstddef>
#include <optional>

#include <weightscope/analyzers/basic_stats.hpp>
#include <weightscope/analyzers/element_questions.hpp>
#include <weightscope/analyzers/quantization_sensitivity.hpp>
#include <weightscope/analyzers/sparsity.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/weight_source.hpp>

namespace weightscope {

struct elements_options
{
    std::optional<basic_stats_options> basic_stats = basic_stats_options{};
    std::optional<quantization_sensitivity_options> quantization = quantization_sensitivity_options{};
    std::optional<sparsity_options> sparsity = sparsity_options{};
};

struct elements_result
{
    std::optional<basic_stats_result> basic_stats = {};                ///< as analyze_basic_stats
    std::optional<quantization_sensitivity_result> quantization = {};  ///< as analyze_quantization_sensitivity
    std::optional<sparsity_result> sparsity = {};                      ///< as analyze_sparsity
    value_census census = {};                                          ///< whatever was asked for
};

namespace detail {

// `rows` is absent for a tensor that is no matrix.
WEIGHTSCOPE_INLINE elements_result analyze_elements(const weight_source& elements, std::optional<std::size_t> rows, const elements_options& options);

}  // namespace detail

/// analyze_basic_stats, analyze_quantization_sensitivity and analyze_sparsity together, in the passes that one of them needs.
///
/// @param weights  any rank, layout and weight scalar; rank 2 or more is seen as [out, in * kernel]
/// @param options  which of them, and their options; `analyze_elements(w, {.sparsity = std::nullopt})` leaves one out
/// @return         see elements_result
/// @throws std::invalid_argument  as the three functions
template <tensor W>
[[nodiscard]] elements_result analyze_elements(const W& weights, const elements_options& options = {})
{
    if (options.quantization) {
        require(options.quantization->bits >= 2 && options.quantization->bits <= 16,
                "analyze_elements(weights, options): options.quantization.bits is {}, expected 2 to 16", options.quantization->bits);
        require(options.quantization->group_size > 0,
                "analyze_elements(weights, options): options.quantization.group_size is 0, expected 1 or more");
    }
    if (options.sparsity)
        for (const double t : options.sparsity->thresholds)
            require(t >= 0, "analyze_elements(weights, options): options.sparsity.thresholds has {}, expected 0 or more", t);
    std::optional<std::size_t> rows;
    if (weights.dimension() >= 2)
        rows = weights.shape(0);
    return detail::with_source(weights, [&](const auto& source) { return detail::analyze_elements(source, rows, options); });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/elements.hpp>
#endif
