#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <weightscope/core/compiled.hpp>

namespace weightscope {

/// The SHA-256 hash of a text: what a page's security policy knows its own script by.
/// @see FIPS 180-4
[[nodiscard]] WEIGHTSCOPE_INLINE std::array<std::uint8_t, 32> sha256(std::string_view text);

/// Bytes as RFC 4648 writes them, with padding.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_base64(std::span<const std::uint8_t> bytes);

/// Bytes in hexadecimal, in small letters.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_hex(std::span<const std::uint8_t> bytes);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/core/impl/sha256.hpp>
#endif
