#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace weightscope {

/// How ggml stores the weights of a tensor: row by row, in blocks of so many weights in so many bytes.
struct ggml_type
{
    std::uint32_t number = 0;         ///< as GGUF files have it
    std::string_view name = {};       ///< "Q4_K"
    std::uint32_t block_weights = 1;  ///< a row is a whole number of blocks
    std::uint32_t block_bytes = 0;

    /// What a weight takes, its share of the block's scales included.
    [[nodiscard]] constexpr double bits_per_weight() const { return 8.0 * block_bytes / block_weights; }
};

/// All types that ggml has in files. The numbers 4, 5, 31 to 33 and 36 to 38 were given up.
/// @see https://github.com/ggml-org/llama.cpp, ggml/include/ggml.h and ggml/src/ggml-common.h
inline constexpr std::array<ggml_type, 35> ggml_types = {{
    {0, "F32", 1, 4},        {1, "F16", 1, 2},        {2, "Q4_0", 32, 18},      {3, "Q4_1", 32, 20},      {6, "Q5_0", 32, 22},
    {7, "Q5_1", 32, 24},     {8, "Q8_0", 32, 34},     {9, "Q8_1", 32, 36},      {10, "Q2_K", 256, 84},    {11, "Q3_K", 256, 110},
    {12, "Q4_K", 256, 144},  {13, "Q5_K", 256, 176},  {14, "Q6_K", 256, 210},   {15, "Q8_K", 256, 292},   {16, "IQ2_XXS", 256, 66},
    {17, "IQ2_XS", 256, 74}, {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},  {20, "IQ4_NL", 32, 18},   {21, "IQ3_S", 256, 110},
    {22, "IQ2_S", 256, 82},  {23, "IQ4_XS", 256, 136}, {24, "I8", 1, 1},        {25, "I16", 1, 2},        {26, "I32", 1, 4},
    {27, "I64", 1, 8},       {28, "F64", 1, 8},       {29, "IQ1_M", 256, 56},   {30, "BF16", 1, 2},       {34, "TQ1_0", 256, 54},
    {35, "TQ2_0", 256, 66},  {39, "MXFP4", 32, 17},   {40, "NVFP4", 64, 36},    {41, "Q1_0", 128, 18},    {42, "Q2_0", 64, 18},
}};

/// The type with this number, or null.
[[nodiscard]] constexpr const ggml_type* find_ggml_type(std::uint32_t number)
{
    for (const ggml_type& type : ggml_types)
        if (type.number == number)
            return &type;
    return nullptr;
}

/// The type with this name, in ggml's capitals, or null.
[[nodiscard]] constexpr const ggml_type* find_ggml_type(std::string_view name)
{
    for (const ggml_type& type : ggml_types)
        if (type.name == name)
            return &type;
    return nullptr;
}

}  // namespace weightscope
