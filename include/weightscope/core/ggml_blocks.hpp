#pragma once

#include <cstddef>
#include <cstdint>

#include <weightscope/core/device.hpp>
#include <weightscope/core/scalar_format.hpp>
#include <weightscope/core/scalars.hpp>

// The blocks of ggml with one scale for 32 to 128 weights. decode() makes the floats that ggml's own decoder makes, to the last bit:
// where it adds, the products before are exact (a half float times a code of at most 5 bits), so that it does not matter whether the
// compiler fuses them. https://github.com/ggml-org/llama.cpp, ggml/src/ggml-common.h and ggml-quants.c
namespace weightscope::detail {

WEIGHTSCOPE_HOST_DEVICE constexpr std::uint32_t two_bytes_at(const std::uint8_t* p) noexcept
{
    return p[0] | static_cast<std::uint32_t>(p[1]) << 8;
}

WEIGHTSCOPE_HOST_DEVICE constexpr float half_at(const std::uint8_t* p) noexcept
{
    return bits_as<float>(decode_bits<float16::format>(two_bytes_at(p)));
}

// A byte as a number from -128 to 127.
WEIGHTSCOPE_HOST_DEVICE constexpr int signed_byte(std::uint8_t byte) noexcept
{
    return static_cast<std::int8_t>(byte);
}

struct ggml_q1_0
{
    static constexpr std::size_t weights = 128, bytes = 18;

    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode(const std::uint8_t* __restrict block, float* __restrict out) noexcept
    {
        const auto scale = bits_as<std::uint32_t>(half_at(block));
        for (std::size_t i = 0; i < weights; ++i)  // a cleared bit turns the sign
            out[i] = bits_as<float>(scale ^ (~static_cast<std::uint32_t>(block[2 + i / 8]) >> i % 8 & 1u) << 31);
    }
};

struct ggml_q2_0
{
    static constexpr std::size_t weights = 64, bytes = 18;

    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode(const std::uint8_t* __restrict block, float* __restrict out) noexcept
    {
        const float scale = half_at(block);
        for (std::size_t i = 0; i < weights; ++i)
            out[i] = static_cast<float>((block[2 + i / 4] >> i % 4 * 2 & 3) - 1) * scale;
    }
};

struct ggml_q4_0
{
    static constexpr std::size_t weights = 32, bytes = 18;

    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode(const std::uint8_t* __restrict block, float* __restrict out) noexcept
    {
        const float scale = half_at(block);
        for (std::size_t i = 0; i < 16; ++i)
            out[i] = static_cast<float>((block[2 + i] & 15) - 8) * scale;
        for (std::size_t i = 0; i < 16; ++i)
            out[16 + i] = static_cast<float>((block[2 + i] >> 4) - 8) * scale;
    }
};

struct ggml_q4_1
{
    static constexpr std::size_t weights = 32, bytes = 20;

    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode(const std::uint8_t* __restrict block, float* __restrict out) noexcept
    {
        const float scale = half_at(block), least = half_at(block + 2);
        for (std::size_t i = 0; i < 16; ++i)
            out[i] = static_cast<float>(block[4 + i] & 15) * scale + least;
        for (std::size_t i = 0; i < 16; ++i)
            out[16 + i] = static_cast<float>(block[4 + i] >> 4) * scale + least;
    }
};

// The fifth bits of the weights stand in four bytes of their own, that of weight i at bit i.
struct ggml_q5_0
{
    static constexpr std::size_t weights = 32, bytes = 22;

    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode(const std::uint8_t* __restrict block, float* __restrict out) noexcept
    {
        const float scale = half_at(block);
        const std::uint32_t high = two_bytes_at(block + 2) | two_bytes_at(block + 4) << 16;
        for (std::uint32_t i = 0; i < 16; ++i)
            out[i] = static_cast<float>(static_cast<int>((block[6 + i] & 15u) | (high >> i & 1u) << 4) - 16) * scale;
        for (std::uint32_t i = 0; i < 16; ++i)
            out[16 + i] = static_cast<float>(static_cast<int>(block[6 + i] >> 4 | (high >> (i + 16) & 1u) << 4) - 16) * scale;
    }
};

struct ggml_q5_1
{
    static constexpr std::size_t weights = 32, bytes = 24;

    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode(const std::uint8_t* __restrict block, float* __restrict out) noexcept
    {
        const float scale = half_at(block), least = half_at(block + 2);
        const std::uint32_t high = two_bytes_at(block + 4) | two_bytes_at(block + 6) << 16;
        for (std::uint32_t i = 0; i < 16; ++i)
            out[i] = static_cast<float>(static_cast<int>((block[8 + i] & 15u) | (high >> i & 1u) << 4)) * scale + least;
        for (std::uint32_t i = 0; i < 16; ++i)
            out[16 + i] = static_cast<float>(static_cast<int>(block[8 + i] >> 4 | (high >> (i + 16) & 1u) << 4)) * scale + least;
    }
};

struct ggml_q8_0
{
    static constexpr std::size_t weights = 32, bytes = 34;

    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode(const std::uint8_t* __restrict block, float* __restrict out) noexcept
    {
        const float scale = half_at(block);
        for (std::size_t i = 0; i < weights; ++i)
            out[i] = static_cast<float>(signed_byte(block[2 + i])) * scale;
    }
};

// Behind the scale stands scale · Σ codes, which no value depends on.
struct ggml_q8_1
{
    static constexpr std::size_t weights = 32, bytes = 36;

    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode(const std::uint8_t* __restrict block, float* __restrict out) noexcept
    {
        const float scale = half_at(block);
        for (std::size_t i = 0; i < weights; ++i)
            out[i] = static_cast<float>(signed_byte(block[4 + i])) * scale;
    }
};

// Codes in so many bytes, the first half in the low nibbles, each standing for a value of a table.
template <class Table, std::size_t Half>
WEIGHTSCOPE_HOST_DEVICE constexpr void decode_nibbles(const std::uint8_t* __restrict codes, float scale, float* __restrict out) noexcept
{
    float scaled[16] = {};
    for (std::size_t code = 0; code < 16; ++code)
        scaled[code] = static_cast<float>(Table::value(code)) * scale;
    for (std::size_t i = 0; i < Half; ++i) {
        out[i] = scaled[codes[i] & 15];
        out[Half + i] = scaled[codes[i] >> 4];
    }
}

// Steps that are finer around zero. (Tables stand in functions because device code sees no arrays of the host.)
struct ggml_iq4_table
{
    WEIGHTSCOPE_HOST_DEVICE static constexpr int value(std::size_t code) noexcept
    {
        constexpr std::int8_t values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
        return values[code];
    }
};

struct ggml_iq4_nl
{
    static constexpr std::size_t weights = 32, bytes = 18;

    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode(const std::uint8_t* __restrict block, float* __restrict out) noexcept
    {
        decode_nibbles<ggml_iq4_table, 16>(block + 2, half_at(block), out);
    }
};

// Twice the values of FP4 E2M1; the scales of both formats below are halved for it.
struct ggml_fp4_table
{
    WEIGHTSCOPE_HOST_DEVICE static constexpr int value(std::size_t code) noexcept
    {
        constexpr std::int8_t values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
        return values[code];
    }
};

struct ggml_mxfp4
{
    static constexpr std::size_t weights = 32, bytes = 17;

    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode(const std::uint8_t* __restrict block, float* __restrict out) noexcept
    {
        decode_nibbles<ggml_fp4_table, 16>(block + 1, scale_of(block[0]), out);
    }

    // 2^(code - 128). The code 255, NaN in the standard, is taken for a number here as it is there.
    WEIGHTSCOPE_HOST_DEVICE static constexpr float scale_of(std::uint32_t code) noexcept
    {
        return bits_as<float>(code < 2 ? 0x00200000u << code : (code - 1) << 23);
    }
};

struct ggml_nvfp4
{
    static constexpr std::size_t weights = 64, bytes = 36;

    WEIGHTSCOPE_HOST_DEVICE static constexpr void decode(const std::uint8_t* __restrict block, float* __restrict out) noexcept
    {
        for (std::size_t part = 0; part < 4; ++part)
            decode_nibbles<ggml_fp4_table, 8>(block + 4 + 8 * part, scale_of(block[part]), out + 16 * part);
    }

    // Half of an E4M3 number without sign: the top bit does not count, 0x7f is no NaN but 0.
    WEIGHTSCOPE_HOST_DEVICE static constexpr float scale_of(std::uint32_t code) noexcept
    {
        const std::uint32_t exponent = code >> 3 & 15u, mantissa = code & 7u;
        const float subnormal = static_cast<float>(mantissa) * 0x1p-10f;
        const float normal = static_cast<float>(8 + mantissa) * bits_as<float>((exponent + 116) << 23);  // 2^(exponent - 11)
        return code == 0x7f ? 0 : exponent == 0 ? subnormal : normal;
    }
};

}  // namespace weightscope::detail
