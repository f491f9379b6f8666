#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/any_evaluator.hpp>
#include <weightscope/io/bit_location.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/scorers/bit_view.hpp>

namespace weightscope::detail {

// The weights of one tensor of a model or an evaluator, whose codes can be read.
struct bit_source
{
    std::string name = {};
    std::vector<std::size_t> shape = {};
    weightscope::dtype dtype = weightscope::dtype::float32;  // of the values
    std::string storage = {};                    // "F16", "Q4_0"
    std::vector<bit_part> parts = {};            // what a weight is stored in, its own code first
    std::size_t size = 0;
    std::shared_ptr<const mapped_file> file = {};
    std::function<std::unique_ptr<bit_view>()> open = {};
};

// What there is to flip, and what has been passed over and why.
struct bit_sources
{
    std::vector<bit_source> tensors = {};
    std::vector<std::string> passed_over = {};  // "model.scales (F16): codes or scales of ..."
};

WEIGHTSCOPE_INLINE bit_layout bit_layout_of_dtype(dtype type);

WEIGHTSCOPE_INLINE bit_sources bit_sources_of(const model& m);

WEIGHTSCOPE_INLINE bit_sources bit_sources_of(const any_evaluator& evaluator);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/bit_source.hpp>
#endif
