#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope {

namespace detail {

// A few words spread over the bytes: tensors that differ hardly ever agree in all of them.
WEIGHTSCOPE_INLINE std::uint64_t fingerprint(std::span<const std::byte> bytes);

WEIGHTSCOPE_INLINE bool equal_bytes(std::span<const std::byte> a, std::span<const std::byte> b);

}  // namespace detail

/// Whether every element has the same bytes.
[[nodiscard]] WEIGHTSCOPE_INLINE bool is_constant(const named_tensor& tensor);

/// For each tensor the index of the first one with the same shape, dtype, encoding and bytes: its own where there is no earlier one,
/// or where the bytes do not determine the values. Constant tensors (all zeros, all ones) are equal by nature, not by sharing, and count as different.
///
/// @return [tensors.size()]
/// @note   reads 16 words of every tensor, and all bytes of those that agree in them
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<std::size_t> find_duplicates(std::span<const named_tensor> tensors);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/duplicates.hpp>
#endif
