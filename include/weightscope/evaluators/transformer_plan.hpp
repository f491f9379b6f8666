#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <weightscope/evaluators/transformer_config.hpp>
#include <weightscope/evaluators/transformer_map.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope::detail {

class transformer_planner
{
public:
    transformer_planner(const model& m, const transformer_config& config);

    transformer_plan make();

private:
    static std::string layer_name(const std::string& stem, std::size_t layer);

    void plan_llama();

    void plan_experts(layer_map& layer, const std::string& name);

    // The experts of a layer in three tensors [experts, out, in], as GGUF has them.
    void plan_stacked_experts(layer_map& layer, const std::string& name);

    void plan_gpt2();

    layer_map& add_layer(std::size_t layer);

    // GPT-2's projections are [in, out] in its own files and [out, in] elsewhere: the first one that is not square tells.
    bool stored_out_in(const std::string& stem) const;

    norm_map norm(const std::string& name);

    linear_map linear(const std::string& name, std::size_t in, std::size_t out, bool bias, std::size_t out_column = 0);

    // Where in the model the tensor is.
    std::size_t need(const std::string& name, const std::vector<std::size_t>& shape);

    // Weights that the architecture does not know would be left out of the computation: then its result is not the model's.
    void refuse_leftovers() const;

    [[noreturn]] void refuse(const named_tensor& tensor, std::string_view fault) const;

    // Place in the model -> place among the used ones.
    std::map<std::size_t, std::size_t> used_places() const;

    transformer_plan number_in_model_order();

    const model& model_;
    std::map<std::string, std::size_t, std::less<>> places_;
    bool gguf_;  // places_ has the names of Hugging Face all the same
    transformer_plan plan_;
    bool in_out_ = false;
};

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/transformer_plan.hpp>
#endif
