#pragma once

#include <string_view>

namespace weightscope {

/// This library's version, major.minor.patch.
inline constexpr std::string_view version = "0.1.0";

}  // namespace weightscope
