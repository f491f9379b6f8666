#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/scorers/weight_mask.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::size_t weight_mask::removed_count() const noexcept
{
    std::size_t count = 0;
    for (const std::uint64_t word : words_)
        count += static_cast<std::size_t>(std::popcount(word));
    return count;
}

WEIGHTSCOPE_INLINE std::vector<std::uint8_t> weight_mask::kept_bytes() const
{
    std::vector<std::uint8_t> bytes(size_);
    for (std::size_t i = 0; i < size_; ++i)
        bytes[i] = removed(i) ? 0 : 1;
    return bytes;
}

namespace detail {

WEIGHTSCOPE_INLINE void require_mask(const weight_mask& mask, std::size_t size, std::string_view caller)
{
    require(mask.size() == size, "{}: the mask is of {} weights, expected {}", caller, mask.size(), size);
}

}  // namespace detail

WEIGHTSCOPE_INLINE void apply_mask_inplace(dtype type, std::span<std::byte> bytes, const weight_mask& mask)
{
    constexpr std::string_view caller = "apply_mask_inplace(type, bytes, mask)";
    require(is_numeric(type) && type != dtype::float8_e8m0, "{}: {} has no 0 to set a weight to", caller, to_string(type));
    const std::size_t width = bits_of(type) / 8;
    detail::require_mask(mask, bytes.size() / width, caller);
    for (std::size_t i = 0; i < mask.size(); ++i)
        if (mask.removed(i))
            std::memset(bytes.data() + i * width, 0, width);
}

}  // namespace weightscope
