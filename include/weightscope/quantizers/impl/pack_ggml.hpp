#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/pack_ggml.hpp>
#include <weightscope/quantizers/quantized_tensor.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/storage_size.hpp>

namespace weightscope {

namespace detail {

// A block of 32 codes from 0 on, as ggml has it: its first half in the low nibbles, fifth bits in four bytes before them.
inline void append_ggml_nibbles(const std::array<std::uint8_t, 32>& codes, bool fifth_bits, std::vector<std::uint8_t>& bytes)
{
    if (fifth_bits)
        for (std::size_t byte = 0; byte < 4; ++byte) {
            std::uint32_t high = 0;
            for (std::size_t bit = 0; bit < 8; ++bit)
                high |= (static_cast<std::uint32_t>(codes[8 * byte + bit]) >> 4 & 1u) << bit;
            bytes.push_back(static_cast<std::uint8_t>(high));
        }
    for (std::size_t i = 0; i < 16; ++i)
        bytes.push_back(static_cast<std::uint8_t>((codes[i] & 15) | (codes[i + 16] & 15) << 4));
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::vector<std::uint8_t> pack_ggml(const quantized_tensor& q)
{
    const std::string name = to_string(q.scheme);
    const bool legacy = name == "ggml-q4_0" || name == "ggml-q4_1" || name == "ggml-q5_0" || name == "ggml-q5_1" || name == "ggml-q8_0";
    require(legacy || name == "ggml-mxfp4", "pack_ggml(q): the scheme is {}, expected ggml-q4_0, ggml-q4_1, ggml-q5_0, ggml-q5_1, ggml-q8_0 or ggml-mxfp4", name);
    const detail::matrix_shape matrix = detail::matrix_shape_of(q.shape);
    require(matrix.cols % 32 == 0, "pack_ggml(q): rows have {} weights, expected whole blocks of 32", matrix.cols);
    const auto& codes = std::get<xt::xarray<std::int8_t>>(q.codes);
    std::vector<std::uint8_t> bytes;
    const auto append_half = [&](double value) {
        const std::uint16_t bits = float16(value).bits;
        bytes.push_back(static_cast<std::uint8_t>(bits & 0xff));
        bytes.push_back(static_cast<std::uint8_t>(bits >> 8));
    };
    for (std::size_t block = 0; block < q.scales.size(); ++block) {
        const std::int8_t* from = codes.data() + 32 * block;
        std::array<std::uint8_t, 32> unsigned_codes{};
        for (std::size_t i = 0; i < 32; ++i)
            unsigned_codes[i] = static_cast<std::uint8_t>(legacy ? from[i] - q.scheme.lowest_code() : from[i] & 15);
        if (!legacy) {
            bytes.push_back(float8_e8m0(q.scales[block]).bits);
            for (std::uint8_t& code : unsigned_codes)
                code = code == 8 ? 0 : code;  // ggml has no -0
            detail::append_ggml_nibbles(unsigned_codes, false, bytes);
            continue;
        }
        append_half(q.scales[block]);
        if (!q.minima.empty())
            append_half(q.minima[block]);
        if (q.scheme.bits < 8)
            detail::append_ggml_nibbles(unsigned_codes, q.scheme.bits == 5, bytes);
        else
            for (std::size_t i = 0; i < 32; ++i)
                bytes.push_back(static_cast<std::uint8_t>(from[i]));
    }
    return bytes;
}

}  // namespace weightscope
