#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_source.hpp>
#include <weightscope/scorers/bit_view.hpp>

namespace weightscope::detail {

// One part of one of the tensors that bits are chosen from: its weights' codes, or a kind of scale.
struct bit_tensor
{
    const bit_source* source = nullptr;
    std::vector<unsigned> bits = {};
    std::size_t part = 0;    // of source->parts
    std::size_t number = 0;  // of the tensor, among those that could be chosen from

    const std::string& part_name() const { return source->parts[part].name; }
    std::size_t weights() const { return source->parts[part].weights; }  // that depend on one number
    std::size_t count() const { return source->size / weights(); }
};

// The chosen bits whose flip leaves the trust radius, of the number that the weight `element` depends on.
WEIGHTSCOPE_INLINE std::vector<unsigned> bits_outside(const bit_view& view, const bit_tensor& tensor, std::size_t element, double radius);

// The weight that a flip of its number changes most, or where `bit` is negative the largest one.
WEIGHTSCOPE_INLINE std::size_t most_changed_weight(const bit_view& view, const bit_tensor& tensor, std::size_t element, int bit);

// Those that the names leave and that have the bits.
WEIGHTSCOPE_INLINE std::vector<bit_tensor> chosen_bit_tensors(const bit_sources& sources, const select_bits_options& options, bit_selection& result,
                                                              const char* caller);

// How many tensors and weights these are.
WEIGHTSCOPE_INLINE void count_bit_tensors(const std::vector<bit_tensor>& tensors, bit_selection& result);

// Where the tensors are in an evaluator; those that it has not are dropped.
WEIGHTSCOPE_INLINE std::vector<std::size_t> match_bit_tensors(const any_evaluator& evaluator, std::vector<bit_tensor>& tensors, bit_selection& result,
                                                              const char* caller);

// Draws numbers that have a bit outside of the radius, any of them with the same probability.
WEIGHTSCOPE_INLINE void draw_outside_bits(const std::vector<bit_tensor>& tensors, const std::vector<double>& radii,
                                          const select_bits_options& options, bit_selection& result);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/bit_tensors.hpp>
#endif
