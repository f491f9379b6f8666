#pragma once

#include <string>

namespace weightscope {

/// What one word of a report means.
struct explanation
{
    std::string name = {};     ///< "spectral.stable_rank", "dead_rows"
    std::string kind = {};     ///< "field", "rule" or "rule about changes"
    std::string meaning = {};  ///< a sentence or two
    std::string formula = {};  ///< empty where the meaning says it
    std::string range = {};    ///< values that are possible, with their unit
    std::string healthy = {};  ///< what a healthy model shows; empty where there is nothing to tell
    std::string remedy = {};   ///< what to do where it is not so; of rules
    std::string source = {};   ///< paper or book; empty where there is none
};

}  // namespace weightscope
