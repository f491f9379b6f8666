#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <weightscope/analyzers/scheme_difference.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/uniform.hpp>

namespace weightscope {

struct compare_schemes_options
{
    std::size_t listed_groups = 5;  ///< of those that differ, how many are told one by one, the first ones
    std::size_t group_size = 0;     ///< neighbours along a row that are compared as one group; 0: as the schemes group, or whole rows
};

namespace detail {

// Weights under one scheme: codes, and decoded.
class scheme_values
{
public:
    scheme_values(const weight_source& elements, const std::vector<std::size_t>& shape, const scheme& s) : q_{.scheme = s, .shape = shape}
    {
        quantize_into(elements, s, q_);
        if (s.scale == scale_type::f64)
            wide_ = dequantize<double>(q_);
        else
            narrow_ = dequantize<float>(q_);
    }

    weight_source decoded() const
    {
        return q_.scheme.scale == scale_type::f64 ? source_of(std::span<const double>(wide_.data(), wide_.size()))
                                                  : source_of(std::span<const float>(narrow_.data(), narrow_.size()));
    }
    const quantized_tensor& codes() const { return q_; }

private:
    quantized_tensor q_;
    xt::xarray<float> narrow_ = {};
    xt::xarray<double> wide_ = {};
};

// `weights` are those that both were made from.
WEIGHTSCOPE_INLINE scheme_difference compare_scheme_values(const weight_source& weights, const scheme_values& first, const scheme_values& second,
                                                           const compare_schemes_options& options);

}  // namespace detail

/// What two conventions make of the same weights: which of them is closer, how many weights they decode differently, where, and why.
///
///     const auto d = compare_schemes(w, parse_scheme("int4-g64"), parse_scheme("gptq-int4-g64"));
///     d.change_db, d.differing_fraction, d.reason ...
///
/// @param weights  any rank, layout and weight scalar; seen as [out, in * kernel], below rank 2 as one row
/// @param first    see scheme
/// @param second   its difference from `first` is told
/// @return         see scheme_difference; weights that are NaN or infinite are left out
/// @throws std::invalid_argument  a scheme does not exist or does not fit the shape
/// @note           codes and decoded weights of both are in memory at once: some ten bytes a weight. The same figures for any number
///                 of threads
template <tensor W>
[[nodiscard]] scheme_difference compare_schemes(const W& weights, const scheme& first, const scheme& second,
                                                const compare_schemes_options& options = {})
{
    const std::vector<std::size_t> shape(weights.shape().begin(), weights.shape().end());
    for (const scheme* s : {&first, &second})
        require_scheme(*s, "compare_schemes(weights, first, second)", shape.size());
    return detail::with_source(weights, [&](const detail::weight_source& elements) {
        const detail::scheme_values a(elements, shape, first), b(elements, shape, second);
        return detail::compare_scheme_values(elements, a, b, options);
    });
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/compare_schemes.hpp>
#endif
