#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/scorers/importance_data.hpp>

namespace weightscope {

/// A number with its standard error, 0 where that is not known.
struct uncertain_value
{
    double value = 0;
    double standard_error = 0;
};

/// What the sensitivity of layers is known from, besides their weights.
struct allocation_sources
{
    std::string name = {};                                 ///< of the file, for the plan
    importance_data data = {};                             ///< activations, hessian_diag or squared_gradients, by the names of tensors
    std::map<std::string, uncertain_value> traces = {};    ///< of the Hessian, by the names of layers
    std::map<std::pair<std::string, std::string>, uncertain_value> losses = {};  ///< `given`, `measured`: by layer and scheme, as to_string() names it
    std::map<std::pair<std::string, std::string>, double> latencies = {};  ///< by layer and scheme, "keep" too; any unit
    std::vector<std::string> notes = {};                   ///< what a reader has to know about them
};

}  // namespace weightscope
