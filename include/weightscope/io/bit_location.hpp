#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/weight_location.hpp>

namespace weightscope {

/// A kind of number that a tensor's storage consists of.
struct bit_part
{
    std::string name = {};      ///< "code": a weight's own; "scale", "min", "sub_scale", "sub_min": what the weights of a block share
    bit_layout layout = {};
    std::size_t weights = 1;    ///< that depend on one such number
};

namespace detail {

WEIGHTSCOPE_INLINE const ggml_type* ggml_bit_type(const named_tensor& tensor);

}  // namespace detail

/// The numbers that a tensor is stored in, its codes first; none where its elements have no bits of their own that are known here.
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<bit_part> bit_parts(const named_tensor& tensor);

/// The part of that name.
///
/// @throws std::invalid_argument  the tensor has none
[[nodiscard]] WEIGHTSCOPE_INLINE bit_part find_bit_part(const named_tensor& tensor, std::string_view name);

/// Where a number lies in the tensor's file that the weight `element` depends on: its own code, or a scale of its block.
///
/// @param element  row-major number of the weight
/// @param part     of bit_parts()
/// @return         its bits, the least significant first
/// @throws std::invalid_argument  there is no such element or part
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<bit_range> locate_bits(const named_tensor& tensor, std::size_t element, std::string_view part = "code");

/// The value of the weight `element` with some bits of a number flipped that it depends on.
///
/// @param flipped  bits of the number that are turned; 0: the value as it is stored
/// @throws std::invalid_argument  there is no such element or part, or the number has fewer bits
[[nodiscard]] WEIGHTSCOPE_INLINE double value_with_bits_flipped(const named_tensor& tensor, std::size_t element, std::uint64_t flipped,
                                                                std::string_view part = "code");

/// What becomes of the weight `element` of a file's tensor when one bit is flipped that it depends on.
///
///     flip_change(tensor, 42, 14)            // of its own code
///     flip_change(tensor, 42, 14, "scale")   // of the scale of its block of Q4_K
///
/// @return  the codes are those of the number, the values those of this weight as it is decoded
/// @throws std::invalid_argument  there is no such element, part or bit
[[nodiscard]] WEIGHTSCOPE_INLINE bit_flip flip_change(const named_tensor& tensor, std::size_t element, unsigned bit, std::string_view part = "code");

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/bit_location.hpp>
#endif
