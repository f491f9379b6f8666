#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <variant>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/concepts.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/grid_dequantize.hpp>
#include <weightscope/quantizers/group_layout.hpp>
#include <weightscope/quantizers/quantized_tensor.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE void quantize_into(const weight_source& source, const scheme& options, quantized_tensor& result);

// Decoded is the type that (q - z) s is computed in.
template <class Decoded, class Code, class T>
void dequantize_into(const quantized_tensor& q, const Code* codes, T* out)
{
    const group_layout layout(q.shape, q.scheme, true);
    parallel_for(layout.strip_count(), [&](std::size_t i) {
        const strip s = layout[i];
        for (std::size_t piece = 0; piece < s.pieces; ++piece)
            s.for_each_part(piece, [&](std::size_t at, std::size_t, std::size_t count, std::size_t part) {
                const std::size_t group = layout.one_group() ? 0 : s.first_group + part, begin = s.begin + piece * s.piece_stride + at;
                const auto scale = static_cast<Decoded>(q.scales[group]);
                const int zero_point = q.zero_points.empty() ? 0 : q.zero_points[group];
                for (std::size_t k = begin; k < begin + count; ++k)
                    out[k] = static_cast<T>(static_cast<Decoded>(codes[k] - zero_point) * scale);
            });
    });
}

}  // namespace detail

/// Integer codes for weights.
///
///     const quantized_tensor q = quantize_uniform(w, {.bits = 4, .granularity = scale_granularity::per_group, .group_size = 64});
///     const xt::xarray<float> w2 = dequantize(q);
///
/// @param weights  any rank, layout and weight scalar; seen as [out, in * kernel], below rank 2 as one row
/// @param options  see `scheme` for the formulas
/// @return         see quantized_tensor. Of plain schemes: a group of zeros has scale 1; one of a single number c (symmetric: a single magnitude) has
///                 scale |c| and is decoded to itself; a scale that its type would round to 0 or infinity becomes the smallest or
///                 largest number of the type. NaN gets the code of 0, infinities the last code on their side, and neither has a
///                 say in the scale: `odd` counts them. Other grids and the rules of runtimes treat zeros and scales as their
///                 rules say, a half float that overflows becomes infinite, NaN gets the code of 0 and infinities the last one
/// @throws std::invalid_argument  the scheme does not exist or does not fit the shape
/// @note weights are divided in float where float holds them exactly and the scale is no f64, else in double. Two passes for
///       per_tensor, else one; the same codes for any number of threads
template <tensor W>
[[nodiscard]] quantized_tensor quantize_uniform(const W& weights, const scheme& options = {})
{
    quantized_tensor result{.scheme = options, .shape = {weights.shape().begin(), weights.shape().end()}};
    require_scheme(options, "quantize_uniform(weights, scheme)", result.shape.size());
    detail::with_source(weights, [&](const detail::weight_source& source) { detail::quantize_into(source, options, result); });
    return result;
}

/// The weights that codes stand for.
///
/// @return [q.shape] (q - z) s, computed in float (in double for f64 scales), then converted to T
template <std::floating_point T = float>
[[nodiscard]] xt::xarray<T> dequantize(const quantized_tensor& q)
{
    xt::xarray<T> result = xt::xarray<T>::from_shape(q.shape);
    std::visit(
        [&]<class Codes>(const Codes& codes) {
            if (!q.scheme.plain()) {
                if constexpr (std::is_same_v<typename Codes::value_type, std::int8_t>)
                    detail::dequantize_grid_into(q, codes.data(), result.data());
            } else if (q.scheme.scale == scale_type::f64)
                detail::dequantize_into<double>(q, codes.data(), result.data());
            else
                detail::dequantize_into<float>(q, codes.data(), result.data());
        },
        q.codes);
    return result;
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/quantizers/impl/uniform.hpp>
#endif
