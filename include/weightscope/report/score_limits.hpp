#pragma once

namespace weightscope::detail {

inline constexpr int no_excellent = 79;  // a model with a critical finding is not "Excellent", however large it is
inline constexpr int unfit = 39;         // and one that computes NaN, or that could not be read, is not fit for use

}  // namespace weightscope::detail
