#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/evaluators/weight_patch.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope::detail {

// One bit of one number that weights of an evaluator are stored in.
struct bit_place
{
    std::size_t tensor = 0;  // of the evaluator
    std::size_t flat = 0;    // a weight that depends on it
    unsigned bit = 0;
    std::size_t candidate = 0;
    std::string part = "code";
    std::size_t first = 0;   // of the weights that depend on it; of a code `flat`

    auto number() const { return std::tie(tensor, first, part); }
    auto order() const { return std::tie(tensor, flat, part, bit); }
};

// Flips bits as they are stored, in an evaluator that may hold what they stand for: the values of blocks of codes and scales.
class bit_flipper
{
public:
    bit_flipper(const any_evaluator& evaluator, const model* stored);

    // What a number of a tensor is made of: its own code, or a scale that it shares.
    bit_layout layout_of(std::size_t tensor, std::string_view part, const char* caller) const;
    // How many weights depend on one such number.
    std::size_t weights_of(std::size_t tensor, std::string_view part) const;

    // The tensor that one of the file's is codes or scales of; empty where it is none.
    std::string owner_of(std::string_view name) const;
    // Throws unless the evaluator holds what the file does.
    void require_same(std::size_t tensor, std::size_t flat, const char* caller) const;

    // What a flip does on top of others.
    bit_flip effect(const bit_place& place, std::span<const bit_place> before) const;

    // Flips of the same tensor in the same one of these are all that a flip's effect depends on: a block of codes, else a number.
    std::size_t block_of(const bit_place& place) const;

    // Makes a flip in `e`, an evaluator of the same tensors, that has those of `before` already.
    void apply(any_evaluator& e, weight_patch& patch, const bit_place& place, std::span<const bit_place> before) const;

private:
    // The file's tensor where the evaluator holds no codes but what they stand for; else null.
    const named_tensor* coded_of(std::size_t tensor) const;

    static std::uint64_t code_at_place(const any_evaluator& e, std::size_t tensor, std::size_t flat);
    static double value_at_place(const any_evaluator& e, std::size_t tensor, std::size_t flat);

    // The values of the weights that a flip reaches, from number `first` on, with the flips before it and, or not, with it.
    static std::pair<std::size_t, std::vector<double>> values_after(const named_tensor& coded, const bit_place& place, std::span<const bit_place> before,
                                                                    bool with_it);

    bit_flip effect_of_code(const named_tensor& coded, const bit_place& place, std::span<const bit_place> before) const;

    const any_evaluator& evaluator_;
    std::map<std::string_view, const named_tensor*> by_name_ = {};
};

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/bit_flipper.hpp>
#endif
