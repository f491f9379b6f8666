#pragma once

#include <string>

#include <weightscope/core/compiled.hpp>
#include <weightscope/scorers/bit_candidates.hpp>

namespace weightscope {

/// Chosen weights as a table, best first: "name,flat,score,bit,value,gradient,curvature,outside_taylor,drawn,part". Bits outside of the trust
/// radius are separated by spaces; cells are empty where something is not known.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string to_csv(const bit_selection& selection);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/bit_selection_csv.hpp>
#endif
