#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/comparison_result.hpp>

namespace weightscope {

/// A tensor to be matched: what a model or a saved scan knows about it.
struct matchable_tensor
{
    std::string name = {};
    std::vector<std::size_t> shape = {};
    const named_tensor* tensor = nullptr;  ///< null: only the name and the shape are known
};

/// Which tensor of one model is which of the other.
struct tensor_pair
{
    std::size_t a = 0, b = 0;
    matched_by how = matched_by::name;
};

/// Finds for each tensor of one model the one of the other that it became: by name; by name but for wrappers and dialect; renamed, by
/// equal bytes; renamed and changed, by the correlation of some hundred values (0.9 or more, shapes equal). Each is matched once.
///
/// @return  in the order of `a`; what is matched to nothing is in no pair
/// @note    reads headers, 16 words of tensors whose name is nowhere, and all bytes of those that agree in them
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<tensor_pair> match_tensors(std::span<const matchable_tensor> a, std::span<const matchable_tensor> b);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/tensor_matching.hpp>
#endif
