#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope {

/// Some bits of a file. They may go on in the bytes behind, as in a little-endian number.
struct bit_range
{
    std::uint64_t offset = 0;  ///< of the byte, in the file
    unsigned first_bit = 0;    ///< in that byte, 0 is the least significant
    unsigned bit_count = 8;

    friend bool operator==(const bit_range&, const bit_range&) = default;
};

/// Where one element of a tensor lies.
struct weight_location
{
    std::filesystem::path file = {};
    std::vector<bit_range> code = {};    ///< its own bits, from the least significant on; no other element depends on them
    std::vector<bit_range> scales = {};  ///< what else its value depends on: scales and minima that it shares with others of its block
};

namespace detail {

// One part of the codes of a block: element e has bits of byte `begin + byte(e)`.
struct ggml_place
{
    std::uint64_t byte;
    unsigned first_bit, bit_count;
};

struct ggml_element
{
    std::array<ggml_place, 2> code = {};
    std::size_t code_parts = 0;
    std::array<ggml_place, 3> scales = {};
    std::size_t scale_parts = 0;

    void add_code(std::uint64_t byte, unsigned first_bit, unsigned bit_count) { code[code_parts++] = {byte, first_bit, bit_count}; }
    void add_scale(std::uint64_t byte, unsigned bytes) { scales[scale_parts++] = {byte, 0, 8 * bytes}; }
    // nibbles: the lower halves of `half` bytes, then their upper halves
    void add_nibble(std::uint64_t begin, std::size_t e, std::size_t half);
};

// Element e of a block of ggml, for the types whose elements have bits of their own; others give no code. Layouts: ggml-common.h and
// dequantize_row_* in ggml-quants.c.
WEIGHTSCOPE_INLINE ggml_element locate_in_block(std::string_view type, std::size_t e);

}  // namespace detail

/// Where an element of a tensor lies in its file: the bits that are its own, and those of the scales that it depends on.
///
///     const weight_location at = locate_weight(tensor, row * columns + column);
///
/// Known for tensors whose bytes are an array of their dtype (safetensors, NPY, stored NPZ and PyTorch archives, ONNX raw data, GGUF), and
/// for the block types of GGUF, except those whose codes share bits (TQ1_0, IQ1 to IQ3). Of weights shown in parts (GPTQ, AWQ...), the
/// codes and scales are tensors of their own, which can be located. Reads nothing.
///
/// @param element  row-major number of the element
/// @throws std::invalid_argument  there is no such element, or its values have no bits of their own
[[nodiscard]] WEIGHTSCOPE_INLINE weight_location locate_weight(const named_tensor& tensor, std::size_t element);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/weight_location.hpp>
#endif
