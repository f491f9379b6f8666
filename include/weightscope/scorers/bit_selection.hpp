#pragma once

#include <cstddef>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/scorers/bit_candidates.hpp>
#include <weightscope/scorers/bit_source.hpp>
#include <weightscope/scorers/importance_data.hpp>

namespace weightscope {

namespace detail {

// The best candidates first; equal ones as they are.
WEIGHTSCOPE_INLINE void cut_bit_candidates(std::vector<bit_candidate>& candidates, std::size_t limit);

WEIGHTSCOPE_INLINE bit_selection select_bits(const bit_sources& sources, any_evaluator* evaluator, const select_bits_options& options,
                                             const importance_data& known, const char* caller);

}  // namespace detail

/// Chooses the weights whose flipped bits are worth measuring, from what is stored and what is known of the gradients.
///
///     const bit_selection chosen = select_bits(open_model("model.safetensors"), {.top_w = 100});
///     const bit_selection better = select_bits(evaluator, {.curvature = true});
///
///     score = max over the chosen bits of |Σ g Δw + h Δw² / 2|   where |Δw| <= trust_radius · max|w| of the tensor
///
/// The sum is over the weights that a number's flip changes: one for a weight's own code, all of its part of a block for a scale. Flips
/// that change a weight by more are outside of what derivatives tell: they make no score, but are counted, and listed with each
/// candidate; options.outside_w draws some of the weights that have them. Of each tensor the per_tensor_k best are kept, of all the top_w
/// best.
///
/// @param m        its tensors are looked at as they are stored: floats, whole numbers, codes of 4 bits, blocks of GGUF with their scales
/// @param options  see select_bits_options
/// @param known    gradients, and second derivatives if there are any, under the tensors' names
/// @return         see bit_selection; the same for any number of threads
/// @throws std::invalid_argument  an option out of range, no tensor is left, or the method needs gradients and there are none
/// @note   three passes over the weights; memory for one block of weights per thread, and the candidates
[[nodiscard]] WEIGHTSCOPE_INLINE bit_selection select_bits(const model& m, const select_bits_options& options = {},
                                                           const importance_data& known = {});

/// The same with gradients of an evaluator, unless `known` has some: its own where it has gradients, else differences of losses for some
/// of the weights, with steps that are realised in the format.
///
/// With differences, the oversample · per_tensor_k weights of a tensor get a gradient whose flips are largest (for flip_aware), or that
/// are largest themselves, or all of them; scales have none then.
///
/// @param evaluator  forward_evaluator; its weights are changed and put back; tensors that it has not are passed over
/// @throws cancelled  the progress callback returned false; with a resume file the run can go on later
/// @note   plan_select_bits() says what it costs
template <forward_evaluator E>
[[nodiscard]] bit_selection select_bits(const model& m, E& evaluator, const select_bits_options& options = {}, const importance_data& known = {})
{
    auto held = detail::hold(evaluator);
    return detail::select_bits(detail::bit_sources_of(m), &held, options, known, "select_bits(model, evaluator, options)");
}

/// The same with the evaluator's own tensors, as they are stored in it.
template <forward_evaluator E>
[[nodiscard]] bit_selection select_bits(E& evaluator, const select_bits_options& options = {}, const importance_data& known = {})
{
    auto held = detail::hold(evaluator);
    return detail::select_bits(detail::bit_sources_of(held), &held, options, known, "select_bits(evaluator, options)");
}

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/bit_selection.hpp>
#endif
