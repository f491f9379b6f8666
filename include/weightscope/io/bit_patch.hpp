#pragma once
// From a plan of bits to the bytes of files: what is checked, what is changed.

#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/bit_patch_result.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/planned_flip.hpp>

namespace weightscope {

/// Looks a plan's flips up in a model, checks that the file holds what the plan says, and makes the bytes to change of them. Writes nothing.
///
/// Flips are taken in their order: a plan that was searched step by step may flip several bits of one weight, and tell the old value that
/// its earlier flips left. Flips in tensors that share storage meet in it.
///
/// @param m        of any format whose bits bit_parts() knows
/// @param options  see bit_patch_options
/// @throws io_error  a flip does not fit the model, with its number: no such tensor, weight or bit, the bit twice, another old value
[[nodiscard]] WEIGHTSCOPE_INLINE bit_patch make_bit_patch(const model& m, const std::vector<planned_flip>& flips,
                                                          const bit_patch_options& options = {});

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/bit_patch.hpp>
#endif
