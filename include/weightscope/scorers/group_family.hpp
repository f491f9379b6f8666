#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/io/dtype.hpp>

namespace weightscope {

/// What can be taken out of a transformer in one piece.
enum class group_kind
{
    kv_group,     ///< a key-value head, the query heads that share it, and the columns of the output projection that belong to them
    query_head,   ///< the t-th query head of every key-value head, together: the same number of query heads remains for each
    mlp_channel,  ///< a row of the gate and of the up projection, and a column of the down projection
    attention,    ///< the attention of a layer; the residual stream passes
    mlp,          ///< the feed-forward part of a layer; the residual stream passes
    block,        ///< a layer
    expert,       ///< an expert of a mixture, and its row of the router
};

namespace detail {

inline constexpr std::array<std::string_view, 7> group_kind_names = {"kv_group", "query_head", "mlp_channel", "attention",
                                                                     "mlp",      "block",      "expert"};

}  // namespace detail

[[nodiscard]] constexpr std::string_view to_string(group_kind kind)
{
    return detail::group_kind_names[static_cast<std::size_t>(kind)];
}

/// The kind that to_string() calls `name`, or nothing.
[[nodiscard]] constexpr std::optional<group_kind> parse_group_kind(std::string_view name)
{
    for (std::size_t i = 0; i < detail::group_kind_names.size(); ++i)
        if (detail::group_kind_names[i] == name)
            return static_cast<group_kind>(i);
    return std::nullopt;
}

/// A run of rows, or of columns, of a tensor.
struct group_region
{
    std::size_t tensor = 0;  ///< place in the model
    std::size_t axis = 0;
    std::size_t first = 0;
    std::size_t count = 0;

    friend bool operator==(const group_region&, const group_region&) = default;
};

/// What the units of a family have in one tensor. Unit u has the places [first + u · count + c · pitch, + count) of the axis, for every
/// c below copies.
struct group_slice
{
    std::size_t tensor = 0;
    std::size_t axis = 0;
    std::size_t first = 0;
    std::size_t count = 0;   ///< places of the axis that one unit takes at a time
    std::size_t copies = 1;
    std::size_t pitch = 0;   ///< from one copy to the next
    std::vector<std::size_t> tensors = {};  ///< where each unit has a tensor of its own: that of unit u, whole from `first` on

    [[nodiscard]] group_region region(std::size_t unit, std::size_t copy) const;
};

/// Groups of one kind in one layer: they are alike but for their place, so their costs are the same.
struct group_family
{
    group_kind kind = group_kind::mlp_channel;
    std::size_t layer = 0;
    std::size_t unit_count = 0;  ///< how many groups
    std::size_t least_kept = 1;  ///< how many of them have to stay; 0 for whole parts
    std::vector<group_slice> slices = {};  ///< all that goes with a unit
    std::vector<group_slice> gates = {};   ///< of these, those whose zeros alone silence the unit: its output is then what it is without it
    std::uint64_t parameters = 0;          ///< of one unit
    std::uint64_t bytes = 0;               ///< of one unit, as stored
    std::uint64_t flops_per_token = 0;     ///< two for each weight of a matrix, and those of the scores of attention if a context is given

    /// All regions of a unit.
    [[nodiscard]] std::vector<group_region> regions(std::size_t unit) const;
    /// "layer 3 kv_group 1"
    [[nodiscard]] std::string name(std::size_t unit) const;
};

/// One of the groups of a model.
struct group_place
{
    std::size_t family = 0;
    std::size_t unit = 0;

    friend bool operator==(const group_place&, const group_place&) = default;
};

/// A tensor of the model as the groups see it.
struct grouped_tensor
{
    std::string name = {};
    std::vector<std::size_t> shape = {};
    weightscope::dtype dtype = weightscope::dtype::float32;
    std::uint64_t parameters = 0;
    std::uint64_t bytes = 0;  ///< as stored
    std::string tied_to = {};
    std::optional<std::size_t> layer = {};  ///< number of the block that it belongs to
};

/// The groups of a model, layer by layer.
struct grouped_model
{
    std::vector<grouped_tensor> tensors = {};   ///< those of the model, in its order
    std::vector<group_family> families = {};    ///< by layer, then in the order that the kinds were asked for
    std::size_t layer_count = 0;
    std::size_t head_size = 0;                  ///< 0 where no group needs it
    std::uint64_t parameters = 0;               ///< of the whole model; tied tensors count once
    std::uint64_t bytes = 0;
    std::vector<std::string> notes = {};        ///< what was done otherwise than asked, and why

    [[nodiscard]] std::size_t group_count() const;
    /// All groups, family by family. Scores of groups have this order.
    [[nodiscard]] std::vector<group_place> places() const;
};

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/group_family.hpp>
#endif
