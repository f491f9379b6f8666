#pragma once

#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/bit_selection_csv.hpp>
#include <weightscope/report/csv.hpp>
#include <weightscope/scorers/bit_candidates.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::string to_csv(const bit_selection& selection)
{
    std::string text = "name,flat,score,bit,value,gradient,curvature,outside_taylor,drawn,part\n";
    for (const bit_candidate& c : selection.candidates)
        text += fmt::format("{},{},{},{},{},{},{},{},{},{}\n", detail::quoted(c.name), c.flat, detail::csv_number(c.score),
                            c.bit < 0 ? std::string() : fmt::format("{}", c.bit), detail::csv_number(c.value), detail::csv_number(c.gradient),
                            detail::csv_number(c.curvature), fmt::join(c.outside_taylor, " "), c.drawn ? 1 : 0, c.part);
    return text;
}

}  // namespace weightscope
