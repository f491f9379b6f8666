#pragma once

#include <cstddef>
#include <span>

#include <weightscope/quantizers/scheme.hpp>

namespace weightscope {

/// Bytes of a quantized tensor, as `pack_codes` lays them out.
struct storage_size
{
    std::size_t weights = 0;
    std::size_t code_bytes = 0;        ///< packed, every row of [out, in * kernel] padded to whole bytes
    std::size_t scale_bytes = 0;       ///< that of the whole tensor included, where there is one
    std::size_t zero_point_bytes = 0;  ///< packed like codes, all of them in one run; or minima, each as large as a scale

    [[nodiscard]] constexpr std::size_t bytes() const noexcept { return code_bytes + scale_bytes + zero_point_bytes; }
    [[nodiscard]] constexpr double bits_per_weight() const noexcept
    {
        return weights == 0 ? 0 : 8 * static_cast<double>(bytes()) / static_cast<double>(weights);
    }
};

namespace detail {

constexpr std::size_t divide_up(std::size_t a, std::size_t b) { return a / b + (a % b != 0); }

constexpr std::size_t packed_bytes(std::size_t codes, int bits)  // for any size_t, without overflow
{
    const auto b = static_cast<std::size_t>(bits);
    return codes / 8 * b + divide_up(codes % 8 * b, 8);
}

constexpr std::size_t scale_bytes(scale_type type)
{
    return type == scale_type::f64 ? 8 : type == scale_type::f32 ? 4 : type == scale_type::e8m0 || type == scale_type::e4m3 ? 1 : 2;
}

// [out, in * kernel]; a vector or a number is one row
struct matrix_shape
{
    std::size_t rows = 1;
    std::size_t cols = 1;
};

constexpr matrix_shape matrix_shape_of(std::span<const std::size_t> shape)
{
    matrix_shape result;
    for (std::size_t axis = 0; axis < shape.size(); ++axis)
        (axis == 0 && shape.size() > 1 ? result.rows : result.cols) *= shape[axis];
    return result;
}

constexpr std::size_t group_count(std::span<const std::size_t> shape, const scheme& options)
{
    const matrix_shape matrix = matrix_shape_of(shape);
    if (matrix.rows == 0 || matrix.cols == 0)
        return 0;
    switch (options.granularity) {
    case scale_granularity::per_tensor: return 1;
    case scale_granularity::per_channel: return shape.size() < 2 ? 1 : shape[options.channel_axis];
    case scale_granularity::per_group: return matrix.rows * divide_up(matrix.cols, options.group_size);
    case scale_granularity::per_block:
        return divide_up(matrix.rows, options.block_rows) * divide_up(matrix.cols, options.block_cols);
    }
    return 0;
}

}  // namespace detail

/// What a tensor of this shape takes in this scheme, to the byte.
///
/// @param shape    extents, row-major; empty for a single number
/// @throws std::invalid_argument  the scheme does not exist or does not fit the shape
[[nodiscard]] inline storage_size storage_bytes(std::span<const std::size_t> shape, const scheme& options)
{
    require_scheme(options, "storage_bytes(shape, scheme)", shape.size());
    const detail::matrix_shape matrix = detail::matrix_shape_of(shape);
    const std::size_t groups = detail::group_count(shape, options);
    const std::size_t scale = detail::scale_bytes(options.scale);
    return {.weights = matrix.rows * matrix.cols,
            .code_bytes = matrix.rows * detail::packed_bytes(matrix.cols, options.bits),
            .scale_bytes = groups * scale + (options.rules.global != global_scale::none && groups > 0 ? 4 : 0),
            .zero_point_bytes = options.symmetric ? 0 : options.rules.minimum ? groups * scale : detail::packed_bytes(groups, options.bits)};
}

}  // namespace weightscope
