#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/scorers/group_family.hpp>

namespace weightscope {

/// A tensor of the smaller model.
struct sliced_tensor
{
    std::size_t source = 0;               ///< place in the model
    std::string name = {};                ///< layers after one that went have lower numbers, and so have experts of a layer
    std::vector<std::size_t> shape = {};
    std::vector<std::vector<std::size_t>> kept = {};  ///< [axes] places that stay; empty: all
};

namespace detail {

WEIGHTSCOPE_INLINE void require_same_model(const char* caller, const model& m, const grouped_model& groups);

WEIGHTSCOPE_INLINE void require_places(const char* caller, const grouped_model& groups, std::span<const group_place> removed);

// What goes of one axis of a tensor: 1 for each place.
using axis_marks = std::map<std::pair<std::size_t, std::size_t>, std::vector<std::uint8_t>>;

WEIGHTSCOPE_INLINE axis_marks marks_of(const grouped_model& groups, std::span<const group_place> removed);

// Elements of an array [shape] at the places that stay.
WEIGHTSCOPE_INLINE std::vector<std::byte> kept_bytes(std::span<const std::byte> bytes, const std::vector<std::size_t>& shape, std::size_t element,
                                                     const std::vector<std::vector<std::size_t>>& kept);

// Layers of which all tensors go.
WEIGHTSCOPE_INLINE std::set<std::size_t> removed_layers(const grouped_model& groups, std::span<const group_place> removed);

}  // namespace detail

/// Names and shapes of the model without the groups that go. Tensors that have nothing left are gone.
///
/// @param groups   see transformer_groups()
/// @param removed  as of selection_result
/// @throws std::invalid_argument  a group does not exist
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<sliced_tensor> slice_shapes(const grouped_model& groups, std::span<const group_place> removed);

/// The values of a tensor of the smaller model, row-major, in the model's own dtype.
///
/// @throws io_error  the file cannot be read
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<std::byte> slice_tensor(const model& m, const sliced_tensor& sliced);

/// A model in memory.
struct sliced_model
{
    model smaller = {};
    std::deque<std::vector<std::byte>> bytes = {};  ///< what its tensors look at
};

/// The model without the groups that go, in memory.
///
/// @throws std::invalid_argument  the groups are of another model, or do not exist
[[nodiscard]] WEIGHTSCOPE_INLINE sliced_model slice_model(const model& m, const grouped_model& groups, std::span<const group_place> removed);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/apply_slices.hpp>
#endif
