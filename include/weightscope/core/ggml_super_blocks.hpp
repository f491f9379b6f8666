#pragma once

#include <cstddef>
#include <cstdint>

#include <weightscope/core/device.hpp>
#include <weightscope/core/ggml_blocks.hpp>
#include <weightscope/core/scalar_format.hpp>

// The blocks of ggml with 256 weights: the K-quants, whose parts of 16 or 32 weights have scales that are codes themselves, and the
// ternary ones. Exact as those of ggml_blocks.hpp: a half float times a scale of at most 8 bits times a code of at most 6 bits fits
// into a float.
namespace weightscope::detail {

struct ggml_q2_k
{
    static constexpr std::size_t weights = 256, bytes = 84;

    // scales and minima [16], 4 bits each; codes [64]; scale of the scales; scale of the minima
    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode(const std::uint8_t* __restrict block, float* __restrict out) noexcept
    {
        const float scale_step = half_at(block + 80), least_step = half_at(block + 82);
        for (std::size_t part = 0; part < 16; ++part) {
            const float scale = scale_step * static_cast<float>(block[part] & 15), least = least_step * static_cast<float>(block[part] >> 4);
            const std::uint8_t* codes = block + 16 + part / 8 * 32 + part % 2 * 16;
            const unsigned shift = static_cast<unsigned>(part / 2 % 4 * 2);
            for (std::size_t i = 0; i < 16; ++i)
                out[16 * part + i] = scale * static_cast<float>(codes[i] >> shift & 3) - least;
        }
    }
};

struct ggml_q3_k
{
    static constexpr std::size_t weights = 256, bytes = 110;

    // third bits [32]; two lower bits [64]; scales [12]; scale of the scales
    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode(const std::uint8_t* __restrict block, float* __restrict out) noexcept
    {
        const float scale_step = half_at(block + 108);
        for (std::size_t part = 0; part < 16; ++part) {
            const float scale = scale_step * static_cast<float>(scale_code(block + 96, part) - 32);
            const std::uint8_t *codes = block + 32 + part / 8 * 32 + part % 2 * 16, *high = block + part % 2 * 16;
            const unsigned shift = static_cast<unsigned>(part / 2 % 4 * 2), bit = static_cast<unsigned>(part / 2);
            for (std::size_t i = 0; i < 16; ++i)
                out[16 * part + i] = scale * static_cast<float>((codes[i] >> shift & 3) - (high[i] >> bit & 1 ? 0 : 4));
        }
    }

    // 16 codes of 6 bits: the lower four bits in the first 8 bytes, the upper two in the last 4
    WEIGHTSCOPE_HOST_DEVICE static constexpr int scale_code(const std::uint8_t* scales, std::size_t part) noexcept
    {
        return (scales[part % 8] >> part / 8 * 4 & 15) | (scales[8 + part % 4] >> part / 4 * 2 & 3) << 4;
    }
};

// The scale and the minimum of part 0..7, codes of 6 bits in 12 bytes: those of the parts 0..3 stand whole in the lower bits of 8
// bytes; of the others the two upper bits stand above them, and the four lower bits in the last 4 bytes.
struct ggml_scale_and_least
{
    int scale, least;
};
WEIGHTSCOPE_HOST_DEVICE constexpr ggml_scale_and_least scale_and_least(const std::uint8_t* packed, std::size_t part) noexcept
{
    if (part < 4)
        return {packed[part] & 63, packed[4 + part] & 63};
    return {(packed[4 + part] & 15) | packed[part - 4] >> 6 << 4, packed[4 + part] >> 4 | packed[part] >> 6 << 4};
}

struct ggml_q4_k
{
    static constexpr std::size_t weights = 256, bytes = 144;

    // scale of the scales; scale of the minima; scales and minima [12]; codes [128]
    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode(const std::uint8_t* __restrict block, float* __restrict out) noexcept
    {
        const float scale_step = half_at(block), least_step = half_at(block + 2);
        for (std::size_t part = 0; part < 8; ++part) {
            const auto [scale_code, least_code] = scale_and_least(block + 4, part);
            const float scale = scale_step * static_cast<float>(scale_code), least = least_step * static_cast<float>(least_code);
            const std::uint8_t* codes = block + 16 + part / 2 * 32;
            const unsigned shift = static_cast<unsigned>(part % 2 * 4);
            for (std::size_t i = 0; i < 32; ++i)
                out[32 * part + i] = scale * static_cast<float>(codes[i] >> shift & 15) - least;
        }
    }
};

struct ggml_q5_k
{
    static constexpr std::size_t weights = 256, bytes = 176;

    // as Q4_K, with the fifth bits [32] before the codes
    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode(const std::uint8_t* __restrict block, float* __restrict out) noexcept
    {
        const float scale_step = half_at(block), least_step = half_at(block + 2);
        const std::uint8_t* high = block + 16;
        for (std::size_t part = 0; part < 8; ++part) {
            const auto [scale_code, least_code] = scale_and_least(block + 4, part);
            const float scale = scale_step * static_cast<float>(scale_code), least = least_step * static_cast<float>(least_code);
            const std::uint8_t* codes = block + 48 + part / 2 * 32;
            const unsigned shift = static_cast<unsigned>(part % 2 * 4), bit = static_cast<unsigned>(part);
            for (std::size_t i = 0; i < 32; ++i)
                out[32 * part + i] = scale * static_cast<float>((codes[i] >> shift & 15) + (high[i] >> bit & 1) * 16) - least;
        }
    }
};

struct ggml_q6_k
{
    static constexpr std::size_t weights = 256, bytes = 210;

    // four lower bits [128]; two upper bits [64]; scales [16]; scale of the scales
    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode(const std::uint8_t* __restrict block, float* __restrict out) noexcept
    {
        const float scale_step = half_at(block + 208);
        for (std::size_t part = 0; part < 16; ++part) {
            const float scale = scale_step * static_cast<float>(signed_byte(block[192 + part]));
            const std::size_t half = part / 8, column = part % 2 * 16;
            const std::uint8_t *low = block + half * 64 + part / 2 % 2 * 32 + column, *high = block + 128 + half * 32 + column;
            const unsigned low_shift = static_cast<unsigned>(part / 4 % 2 * 4), high_shift = static_cast<unsigned>(part / 2 % 4 * 2);
            for (std::size_t i = 0; i < 16; ++i)
                out[16 * part + i] = scale * static_cast<float>(((low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4) - 32);
        }
    }
};

// Behind the codes stand their sums, which no value depends on.
struct ggml_q8_k
{
    static constexpr std::size_t weights = 256, bytes = 292;

    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode(const std::uint8_t* __restrict block, float* __restrict out) noexcept
    {
        const float scale = bits_as<float>(two_bytes_at(block) | two_bytes_at(block + 2) << 16);
        for (std::size_t i = 0; i < weights; ++i)
            out[i] = scale * static_cast<float>(signed_byte(block[4 + i]));
    }
};

struct ggml_iq4_xs
{
    static constexpr std::size_t weights = 256, bytes = 136;

    // scale of the scales; upper two bits of the scales in 2 bytes; lower four [4]; codes [128]
    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode(const std::uint8_t* __restrict block, float* __restrict out) noexcept
    {
        const float scale_step = half_at(block);
        const std::uint32_t high = two_bytes_at(block + 2);
        for (std::size_t part = 0; part < 8; ++part) {
            const std::uint32_t code = (block[4 + part / 2] >> part % 2 * 4 & 15u) | (high >> 2 * part & 3u) << 4;
            const float scale = scale_step * static_cast<float>(static_cast<int>(code) - 32);
            decode_nibbles<ggml_iq4_table, 16>(block + 8 + 16 * part, scale, out + 32 * part);
        }
    }
};

struct ggml_tq1_0
{
    static constexpr std::size_t weights = 256, bytes = 54;

    // five weights in each of 32 and then 16 bytes, four in each of 4 more; scale
    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode(const std::uint8_t* __restrict block, float* __restrict out) noexcept
    {
        const float scale = half_at(block + 52);
        decode_digits<32, 5>(block, scale, out);
        decode_digits<16, 5>(block + 32, scale, out + 160);
        decode_digits<4, 4>(block + 48, scale, out + 240);
    }

private:
    // A byte is a fraction of 256 in base 3; times 3^k its first digit is the weight k of the byte.
    template <std::size_t Bytes, std::size_t Digits>
    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode_digits(const std::uint8_t* __restrict codes, float scale,
                                                                float* __restrict out) noexcept
    {
        unsigned power = 1;
        for (std::size_t digit = 0; digit < Digits; ++digit, power *= 3)
            for (std::size_t i = 0; i < Bytes; ++i) {
                const unsigned shifted = codes[i] * power & 255u;
                out[Bytes * digit + i] = static_cast<float>(static_cast<int>(shifted * 3 >> 8) - 1) * scale;
            }
    }
};

struct ggml_tq2_0
{
    static constexpr std::size_t weights = 256, bytes = 66;

    // codes [64]; scale
    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode(const std::uint8_t* __restrict block, float* __restrict out) noexcept
    {
        const float scale = half_at(block + 64);
        for (std::size_t part = 0; part < 8; ++part)
            for (std::size_t i = 0; i < 32; ++i)
                out[32 * part + i] = static_cast<float>((block[part / 4 * 32 + i] >> part % 4 * 2 & 3) - 1) * scale;
    }
};

}  // namespace weightscope::detail
