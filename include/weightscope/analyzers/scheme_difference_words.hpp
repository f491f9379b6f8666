#pragma once

#include <string>

#include <weightscope/core/compiled.hpp>
#include <weightscope/quantizers/scheme.hpp>

namespace weightscope {

/// Why two schemes decode weights to different numbers, as far as their data tell: what differs between them, in one line.
///
///     explain_scheme_difference(parse_scheme("int4-g64"), parse_scheme("int4-g64-full"))
///     // "codes -7 to 7 against -8 to 7; scale max|w| / 7 against max|w| / 7.5"
///
/// @return "the same scheme" where nothing differs
[[nodiscard]] WEIGHTSCOPE_INLINE std::string explain_scheme_difference(const scheme& a, const scheme& b);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/analyzers/impl/scheme_difference_words.hpp>
#endif
