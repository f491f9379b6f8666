#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/weight_location.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE void ggml_element::add_nibble(std::uint64_t begin, std::size_t e, std::size_t half)
{
    add_code(begin + e % half, e % (2 * half) < half ? 0 : 4, 4);
}

WEIGHTSCOPE_INLINE ggml_element locate_in_block(std::string_view type, std::size_t e)
{
    ggml_element at;
    const std::size_t half = e / 128, quarter = e % 128 / 32, column = e % 32;  // of the blocks of 256
    const auto shift = static_cast<unsigned>(2 * quarter);
    if (type == "Q4_0" || type == "IQ4_NL") {
        at.add_nibble(2, e, 16);
        at.add_scale(0, 2);
    } else if (type == "Q4_1") {
        at.add_nibble(4, e, 16);
        at.add_scale(0, 4);
    } else if (type == "Q5_0" || type == "Q5_1") {
        const unsigned scale_bytes = type == "Q5_0" ? 2 : 4;
        at.add_nibble(scale_bytes + 4, e, 16);
        at.add_code(scale_bytes + e / 8, static_cast<unsigned>(e % 8), 1);
        at.add_scale(0, scale_bytes);
    } else if (type == "Q8_0") {
        at.add_code(2 + e, 0, 8);
        at.add_scale(0, 2);
    } else if (type == "Q8_1") {
        at.add_code(4 + e, 0, 8);
        at.add_scale(0, 2);
    } else if (type == "Q8_K") {
        at.add_code(4 + e, 0, 8);
        at.add_scale(0, 4);
    } else if (type == "Q2_K") {
        at.add_code(16 + 32 * half + column, shift, 2);
        at.add_scale(8 * half + 2 * quarter + column / 16, 1);
        at.add_scale(80, 4);
    } else if (type == "Q3_K") {
        at.add_code(32 + 32 * half + column, shift, 2);
        at.add_code(column, static_cast<unsigned>(4 * half + quarter), 1);
        at.add_scale(96, 12);
        at.add_scale(108, 2);
    } else if (type == "Q4_K") {
        at.add_code(16 + e / 64 * 32 + column, e % 64 < 32 ? 0 : 4, 4);
        at.add_scale(0, 4);
        at.add_scale(4, 12);
    } else if (type == "Q5_K") {
        at.add_code(48 + e / 64 * 32 + column, e % 64 < 32 ? 0 : 4, 4);
        at.add_code(16 + column, static_cast<unsigned>(e / 32), 1);
        at.add_scale(0, 4);
        at.add_scale(4, 12);
    } else if (type == "Q6_K") {
        at.add_code(64 * half + quarter % 2 * 32 + column, quarter < 2 ? 0 : 4, 4);
        at.add_code(128 + 32 * half + column, shift, 2);
        at.add_scale(192 + 8 * half + 2 * quarter + column / 16, 1);
        at.add_scale(208, 2);
    } else if (type == "IQ4_XS") {
        at.add_nibble(8 + e / 32 * 16, e % 32, 16);
        at.add_scale(0, 8);
    } else if (type == "MXFP4") {
        at.add_nibble(1, e, 16);
        at.add_scale(0, 1);
    } else if (type == "NVFP4") {
        at.add_nibble(4 + e / 16 * 8, e % 16, 8);
        at.add_scale(e / 16, 1);
    } else if (type == "Q1_0") {
        at.add_code(2 + e / 8, static_cast<unsigned>(e % 8), 1);
        at.add_scale(0, 2);
    } else if (type == "Q2_0") {
        at.add_code(2 + e / 4, static_cast<unsigned>(e % 4 * 2), 2);
        at.add_scale(0, 2);
    } else if (type == "TQ2_0") {
        at.add_code(32 * half + column, shift, 2);
        at.add_scale(64, 2);
    }
    return at;
}

}  // namespace detail

WEIGHTSCOPE_INLINE weight_location locate_weight(const named_tensor& tensor, std::size_t element)
{
    require(element < tensor.size(), "locate_weight(tensor '{}', element): found {}, expected less than {}", printable(tensor.name),
            element, tensor.size());
    weight_location result;
    if (tensor.file)
        result.file = tensor.file->path();
    if (!tensor.decoder && tensor.dtype != dtype::opaque && tensor.storage() == to_string(tensor.dtype)) {
        const std::size_t bits = bits_of(tensor.dtype);
        result.code = {{tensor.offset + element * bits / 8, static_cast<unsigned>(element * bits % 8), static_cast<unsigned>(bits)}};
        return result;
    }
    const ggml_type* type = find_ggml_type(tensor.encoding);
    const detail::ggml_element at = type == nullptr ? detail::ggml_element() : detail::locate_in_block(type->name, 
                                                                                               element % type->block_weights);
    require(at.code_parts > 0,
            "locate_weight(tensor '{}'): elements stored as {} have no bits of their own that are known here; choose another tensor, "
            "or its codes where they are listed",
            printable(tensor.name), tensor.storage());
    const std::uint64_t block = tensor.offset + element / type->block_weights * type->block_bytes;
    for (std::size_t i = 0; i < at.code_parts; ++i)
        result.code.push_back({block + at.code[i].byte, at.code[i].first_bit, at.code[i].bit_count});
    for (std::size_t i = 0; i < at.scale_parts; ++i)
        result.scales.push_back({block + at.scales[i].byte, at.scales[i].first_bit, at.scales[i].bit_count});
    return result;
}

}  // namespace weightscope
