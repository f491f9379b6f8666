#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include <weightscope/scorers/group_family.hpp>

namespace weightscope {

struct selection_options
{
    double ratio = 0.25;                           ///< of the whole model's parameters, to remove; counts where no budget is given
    std::optional<std::uint64_t> parameters = {};  ///< budget: parameters that may be left
    std::optional<std::uint64_t> bytes = {};       ///< budget: bytes of weights that may be left
    std::size_t freeze_first = 0;                  ///< layers at the beginning that stay as they are
    std::size_t freeze_last = 0;
    std::vector<std::size_t> freeze_layers = {};   ///< others that do
    std::vector<bool> frozen = {};                 ///< [families] that do; empty: none
    double least_kept = 0;                         ///< share of a layer's groups of one kind that stay; at least one does anyway
    double most_per_layer = 1;                     ///< share of a layer's parameters that may go
    bool uniform = false;  ///< all layers that are not frozen lose the same number of groups of each kind: what other libraries can load
};

/// What goes of one layer.
struct layer_selection
{
    struct family_share
    {
        std::size_t family = 0;
        std::size_t removed = 0;
    };
    std::size_t layer = 0;
    std::uint64_t parameters = 0;          ///< of the layer before
    std::uint64_t removed_parameters = 0;
    std::vector<family_share> families = {};
};

/// Which groups go.
struct selection_result
{
    std::vector<group_place> removed = {};  ///< by family, then by unit
    std::uint64_t target = 0;               ///< parameters, or bytes, to remove at least
    std::uint64_t reachable = 0;            ///< the most that can be removed under the options
    bool in_bytes = false;
    bool reached = true;                    ///< false: what may go is not enough; then all of it goes
    double target_ratio = 0;
    double actual_ratio = 0;                ///< never below target_ratio where `reached`
    std::uint64_t removed_parameters = 0;
    std::uint64_t removed_bytes = 0;
    std::uint64_t removed_flops = 0;        ///< per token
    std::vector<layer_selection> layers = {};
};

namespace detail {

// The least number whose share of `whole` is not below the ratio, for a ratio that stands for a decimal fraction.
inline std::uint64_t least_count(double ratio, std::uint64_t whole)
{
    const double exact = ratio * static_cast<double>(whole), nearest = std::nearbyint(exact);
    const double count = std::fabs(exact - nearest) <= 4 * std::numeric_limits<double>::epsilon() * exact ? nearest : std::ceil(exact);
    return static_cast<std::uint64_t>(count);
}

}  // namespace detail

}  // namespace weightscope
