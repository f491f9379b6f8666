#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <weightscope/core/version.hpp>

namespace weightscope {

/// One bit to flip, in a plan.
struct planned_flip
{
    std::string model = {};           ///< which of several models it is for, "vision"; empty where there is one
    std::string name = {};            ///< of the tensor
    std::size_t flat = 0;             ///< row-major number of the weight
    unsigned bit = 0;                 ///< 0 is the least significant
    std::string part = "code";        ///< whose bit: of the weight's own code, or "scale", "min", "sub_scale", "sub_min" of its block
    std::optional<std::uint64_t> old_code = {}, new_code = {};  ///< of that number, before and after
    std::optional<double> old_value = {}, new_value = {};       ///< of the weight; NaN where not finite
};

/// Bits to flip, in this order.
struct bit_plan
{
    std::string model = {};    ///< path of the model that it was made for
    std::string format = {};   ///< of that model
    std::string version = std::string(weightscope::version);  ///< that made it
    std::vector<planned_flip> flips = {};
};

}  // namespace weightscope
