#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <utility>

namespace weightscope {

/// A number, or the reason why there is none. A score never looks perfect because its input was broken:
/// what cannot be computed is missing and says why.
///
///     if (const metric& k = result.condition_number; k.exists()) use(k.value); else print(k.reason);
struct metric
{
    double value = std::numeric_limits<double>::quiet_NaN();  ///< NaN where the number does not exist
    std::string reason = "not computed";                      ///< why not; empty where it does

    metric() = default;

    /// A number; one that is NaN or infinite is missing with the reason "not finite".
    metric(double number) : value(number), reason(std::isfinite(number) ? "" : "not finite")
    {
        if (!exists())
            value = std::numeric_limits<double>::quiet_NaN();
    }

    [[nodiscard]] static metric missing(std::string why)
    {
        metric result;
        result.reason = std::move(why);
        return result;
    }

    [[nodiscard]] bool exists() const noexcept { return reason.empty(); }
};

}  // namespace weightscope
