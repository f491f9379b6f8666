#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/ggml_blocks.hpp>

namespace weightscope::detail {

// Some bits of a byte of a block.
struct ggml_bit_place
{
    unsigned byte = 0, first_bit = 0, bit_count = 8;
};

// A kind of number in the blocks of a type of ggml. Instance i of `count` belongs to the weights [i, i + 1) · weights / count.
struct ggml_bit_field
{
    std::string_view name = {};  // "code"; "scale" and "min" of the block; "sub_scale" and "sub_min" of its parts
    bit_layout layout = {};
    unsigned count = 1;
};

inline double ggml_sign_value(std::uint64_t code)
{
    return code != 0 ? 1 : -1;
}
inline double ggml_iq4_value(std::uint64_t code)
{
    return ggml_iq4_table::value(code);
}
inline double ggml_nvfp4_scale_value(std::uint64_t code)
{
    return static_cast<double>(ggml_nvfp4::scale_of(static_cast<std::uint32_t>(code)));
}

inline constexpr bit_layout ggml_half_bits = bit_layout_of<float16>();
inline constexpr bit_layout ggml_mxfp4_scale_bits = {
    .bits = 8, .exponent_bits = 8, .mantissa_bits = 0, .bias = 128, .special = special_codes::power_of_two, .all_finite = true};
inline constexpr bit_layout ggml_nvfp4_scale_bits = {
    .bits = 8, .exponent_bits = 4, .mantissa_bits = 3, .bias = 8, .all_finite = true, .value = ggml_nvfp4_scale_value};
inline constexpr bit_layout ggml_sign_bits = {
    .kind = code_kind::table, .bits = 1, .exponent_bits = 0, .mantissa_bits = 0, .bias = 0, .value = ggml_sign_value};
inline constexpr bit_layout ggml_iq4_bits = {
    .kind = code_kind::table, .bits = 4, .exponent_bits = 0, .mantissa_bits = 0, .bias = 0, .value = ggml_iq4_value};

// The numbers in a block, the code first, of the types whose weights have bits of their own; none for the others. The value of a
// weight is scale · sub_scale · code - min · sub_min, where there are such; of Q4_1 and Q5_1 it is scale · code + min.
inline std::vector<ggml_bit_field> ggml_bit_fields(std::string_view type)
{
    const auto one_scale = [](const bit_layout& code) {
        return std::vector<ggml_bit_field>{{"code", code}, {"scale", ggml_half_bits}};
    };
    const auto scale_and_min = [&](const bit_layout& code) {
        auto fields = one_scale(code);
        fields.push_back({"min", ggml_half_bits});
        return fields;
    };
    const auto parts = [](std::vector<ggml_bit_field> fields, const bit_layout& layout, unsigned count) {
        const bool least = fields.size() == 3;
        fields.push_back({"sub_scale", layout, count});
        if (least)
            fields.push_back({"sub_min", layout, count});
        return fields;
    };
    if (type == "Q4_0")
        return one_scale(unsigned_bits(4, 8));
    if (type == "Q4_1")
        return scale_and_min(unsigned_bits(4));
    if (type == "Q5_0")
        return one_scale(unsigned_bits(5, 16));
    if (type == "Q5_1")
        return scale_and_min(unsigned_bits(5));
    if (type == "Q8_0" || type == "Q8_1")
        return one_scale(signed_bits(8));
    if (type == "Q8_K")
        return {{"code", signed_bits(8)}, {"scale", bit_layout_of<float>()}};
    if (type == "Q2_K")
        return parts(scale_and_min(unsigned_bits(2)), unsigned_bits(4), 16);
    if (type == "Q3_K")
        return parts(one_scale(unsigned_bits(3, 4)), unsigned_bits(6, 32), 16);
    if (type == "Q4_K")
        return parts(scale_and_min(unsigned_bits(4)), unsigned_bits(6), 8);
    if (type == "Q5_K")
        return parts(scale_and_min(unsigned_bits(5)), unsigned_bits(6), 8);
    if (type == "Q6_K")
        return parts(one_scale(unsigned_bits(6, 32)), signed_bits(8), 16);
    if (type == "IQ4_NL")
        return one_scale(ggml_iq4_bits);
    if (type == "IQ4_XS")
        return parts(one_scale(ggml_iq4_bits), unsigned_bits(6, 32), 8);
    if (type == "MXFP4")
        return {{"code", small_float_bits(2, 1, 0)}, {"scale", ggml_mxfp4_scale_bits}};
    if (type == "NVFP4")
        return {{"code", small_float_bits(2, 1, 0)}, {"scale", ggml_nvfp4_scale_bits, 4}};
    if (type == "Q1_0")
        return one_scale(ggml_sign_bits);
    if (type == "Q2_0" || type == "TQ2_0")
        return one_scale(unsigned_bits(2, 1));
    return {};
}

// Where instance `i` of a field of ggml_bit_fields() other than the code lies in a block, the least significant bits first.
inline std::vector<ggml_bit_place> ggml_field_places(std::string_view type, std::string_view field, unsigned i)
{
    const bool least = field == "min" || field == "sub_min";
    if (field == "scale" || field == "min") {
        if (type == "MXFP4" || type == "NVFP4")
            return {{i, 0, 8}};
        if (type == "Q8_K")
            return {{0, 0, 32}};
        const unsigned begin = type == "Q2_K" ? 80 : type == "Q3_K" ? 108 : type == "Q6_K" ? 208 : type == "TQ2_0" ? 64 : 0;
        return {{begin + (least ? 2 : 0), 0, 16}};
    }
    if (type == "Q2_K")
        return {{i, least ? 4u : 0u, 4}};
    if (type == "Q3_K")
        return {{96 + i % 8, i / 8 * 4, 4}, {104 + i % 4, i / 4 * 2, 2}};
    if (type == "Q6_K")
        return {{192 + i, 0, 8}};
    if (type == "IQ4_XS")
        return {{4 + i / 2, i % 2 * 4, 4}, {2 + i / 4, i % 4 * 2, 2}};
    // Q4_K, Q5_K: see scale_and_least()
    if (i < 4)
        return {{4 + i + (least ? 4 : 0), 0, 6}};
    return {{8 + i, least ? 4u : 0u, 4}, {i + (least ? 4 : 0), 6, 2}};
}

}  // namespace weightscope::detail
