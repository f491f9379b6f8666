#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/quantizers/quantized_tensor.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope {

/// A layer of a packed file.
struct packed_layer
{
    std::string name = {};
    weightscope::scheme scheme = {};
    std::vector<std::size_t> shape = {};  ///< of the codes, [out, in...]
    weightscope::dtype dtype = weightscope::dtype::float32;  ///< of the weights that were quantized
    bool transposed = false;              ///< the weights lay as [in, out]
};

/// A packed file: what is in it quantized, and what is kept.
struct packed_model
{
    model file = {};  ///< codes, scales, zero points, and the tensors that are kept, under their names
    std::vector<packed_layer> layers = {};
};

namespace detail {

inline constexpr std::string_view packed_key = "weightscope.quantized:";  // and the name of the layer

constexpr dtype dtype_of_scales(scale_type type)
{
    return type == scale_type::f64   ? dtype::float64
           : type == scale_type::f32 ? dtype::float32
           : type == scale_type::f16 ? dtype::float16
           : type == scale_type::bf16 ? dtype::bfloat16
           : type == scale_type::e8m0 ? dtype::float8_e8m0
                                      : dtype::float8_e4m3;
}

}  // namespace detail

/// Opens what write_packed() wrote. Reads its header only.
/// @throws io_error  the file cannot be read, or holds no packed layer, or an entry of its metadata is not valid
[[nodiscard]] WEIGHTSCOPE_INLINE packed_model open_packed(const std::filesystem::path& path);

/// The codes, scales and zero points or minima of a layer of a packed file; dequantize() makes weights of them, [out, in...].
///
/// @throws std::invalid_argument  no layer has that name
/// @throws io_error               a tensor of the layer is missing or is not as long as its shape needs
[[nodiscard]] WEIGHTSCOPE_INLINE quantized_tensor read_packed(const packed_model& packed, std::string_view name);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/open_packed.hpp>
#endif
