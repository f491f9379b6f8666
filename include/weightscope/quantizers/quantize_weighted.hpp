#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/quantizers/quantized_tensor.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/storage_size.hpp>

namespace weightscope {

/// Codes whose scales were searched for with the importance of columns.
struct weighted_quantization
{
    quantized_tensor quantized = {};
    double weighted_error = 0;        ///< Σ a e², a of the column
    double plain_weighted_error = 0;  ///< the same with the scales of the whole range: never less
};

namespace detail {

WEIGHTSCOPE_INLINE weighted_quantization quantize_weighted(const weight_source& source, const scheme& options, std::vector<std::size_t> shape,
                                                           std::span<const double> importance);

}  // namespace detail

/// Integer codes whose scales lose least where the columns matter most: each group has the scale (and zero point) of the least
///
///     Σ_j a_j (w_j - ŵ_j)²
///
///     const auto r = quantize_weighted(w, parse_scheme("int4-g32"), statistics.sums_of_squares);   // E[x²] of the inputs, up to a factor
///
/// With a_j = E[x_j²] that is the expected squared error of the layer's outputs, but for correlations of its inputs. Small groups get the
/// exact optimum, others the best of a grid of scales around that of the whole range, improved by least squares; none is worse than
/// with the scale of the whole range, on this objective.
///
/// @param weights     rank 2 or more, any layout and weight scalar; seen as [out, in * kernel]
/// @param options     a plain integer scheme of up to 8 bits, per_group or per_channel of axis 0; its search is not used
/// @param importance  [in * kernel] 0 or more, finite: such as Σ x² of an importance matrix
/// @return            see weighted_quantization; `quantized` is what dequantize() takes
/// @throws std::invalid_argument  another scheme, or importance of another size, negative or not finite
/// @note one pass, in double; n log n steps for each group of n weights and each level. The same result for any number of threads
/// @see llama.cpp, make_qx_quants; Frantar et al. 2022, arXiv:2210.17323 for the objective with correlations
template <tensor W>
[[nodiscard]] weighted_quantization quantize_weighted(const W& weights, const scheme& options, std::span<const double> importance)
{
    constexpr const char* caller = "quantize_weighted(weights, scheme, importance)";
    std::vector<std::size_t> shape(weights.shape().begin(), weights.shape().end());
    require_scheme(options, caller, shape.size());
    const bool in_rows = options.granularity == scale_granularity::per_group || (options.granularity == scale_granularity::per_channel && options.channel_axis == 0);
    require(options.plain() && options.bits <= 8 && in_rows && options.rounding != rounding_mode::stochastic,
            "{}: the scheme is not searched so, expected integers of up to 8 bits, in groups or one scale for each output, not rounded at random", caller);
    const detail::matrix_shape matrix = detail::matrix_shape_of(shape);
    require(importance.size() == matrix.cols, "{}: importance has {} entries, expected one for each of the {} columns", caller, importance.size(), matrix.cols);
    for (const double a : importance)
        require(a >= 0 && std::isfinite(a), "{}: importance has {}, expected 0 or more and finite", caller, a);
    scheme whole = options;
    whole.search = range_search::whole;
    return detail::with_source(weights, [&](const detail::weight_source& source) { return detail::quantize_weighted(source, whole, std::move(shape), importance); });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/quantizers/impl/quantize_weighted.hpp>
#endif
