#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/group_blocks.hpp>
#include <weightscope/scorers/group_names.hpp>
#include <weightscope/scorers/importance_data.hpp>
#include <weightscope/scorers/mixed.hpp>
#include <weightscope/scorers/prune_method.hpp>
#include <weightscope/scorers/prune_result.hpp>
#include <weightscope/scorers/scorer.hpp>

namespace weightscope::detail {

inline constexpr const char* prune_caller = "study_pruning(model, sources, options)";

// Scores of the weights of one tensor after the other.
class prune_scorer
{
public:
    prune_scorer(const model& m, const importance_data& data, const study_pruning_options& options)
        : model_(m), data_(data), options_(options), in_out_(conv1d_is_in_out(m))
    {
    }

    matrix_orientation orientation(std::size_t tensor) const
    {
        return in_out_ && has_conv1d_name(model_.tensors[tensor].name) ? matrix_orientation::in_out : matrix_orientation::out_in;
    }

    // Empty scores where the method has none for a tensor of this rank.
    importance_result score(std::size_t tensor, const prune_method& method) const
    {
        const named_tensor& t = model_.tensors[tensor];
        if (method.needs().activations && t.shape.size() < 2)
            return {};
        const importance_info info = data_.of(t.name);
        require_known(t, info, method);
        std::vector<importance_result> parts;
        for (const prune_method::part& part : method.parts) {
            scorer_options how{.method = part.method};
            how.wanda.orientation = orientation(tensor);
            how.random = {.seed = options_.seed, .name = t.name};
            how.taylor_2nd.curvature = curvature_input::automatic;
            how.taylor_2nd.resolution = options_.resolution;
            parts.push_back(visit(t, [&](const auto& weights) {
                return with_source(weights, [&](const weight_source& source) { return score_weights(source, t.shape, info, how); });
            }));
        }
        if (parts.size() == 1)
            return std::move(parts.front());
        std::vector<double> weights;
        for (const prune_method::part& part : method.parts)
            weights.push_back(part.weight);
        return score_mixed(parts, {.weights = std::move(weights), .normalisation = score_normalisation::average});
    }

    // Terms whose sum over a group is the first-order, or second-order, change of the loss.
    std::vector<double> signed_terms(std::size_t tensor, const prune_method& method) const
    {
        if (method.parts.front().method == importance_method::taylor_2nd_signed)
            return score(tensor, method).scores;
        const named_tensor& t = model_.tensors[tensor];
        const importance_info info = data_.of(t.name);
        require_known(t, info, method);
        std::vector<double> gradients(info.gradients.size());
        info.gradients.read(0, gradients);
        std::vector<double> terms = visit(t, [](const auto& weights) { return with_source(weights, [](const weight_source& s) { return to_doubles(s); }); });
        require(terms.size() == gradients.size(), "{}: tensor '{}' has {} gradients, expected {}", prune_caller, printable(t.name), gradients.size(),
                terms.size());
        for (std::size_t i = 0; i < terms.size(); ++i)
            terms[i] *= -gradients[i];
        return terms;
    }

    // What a method's number means.
    std::string formula(const prune_method& method) const
    {
        std::string text;
        for (const prune_method::part& part : method.parts) {
            std::string_view one;
            switch (part.method) {
            case importance_method::magnitude: one = "|w|"; break;
            case importance_method::taylor: one = "|w g|"; break;
            case importance_method::taylor_2nd: one = "|w g| + w² |h| / 2"; break;
            case importance_method::taylor_2nd_signed: one = "-w g + w² h / 2"; break;
            case importance_method::wanda: one = "|w| √(Σ x²)"; break;
            case importance_method::random: one = "uniform in [0, 1)"; break;
            }
            const bool curved = part.method == importance_method::taylor_2nd || part.method == importance_method::taylor_2nd_signed;
            const std::string resolved = curved && options_.resolution > 0 ? fmt::format(", h = 0 below {:g} standard errors", options_.resolution) : "";
            if (method.parts.size() == 1)
                return std::string(one) + resolved;
            text += fmt::format("{}{:g} ({}{}) / mean", text.empty() ? "" : " + ", part.weight, one, resolved);
        }
        return text;
    }

private:
    void require_known(const named_tensor& t, const importance_info& info, const prune_method& method) const
    {
        const importance_needs needs = method.needs();
        const auto refuse = [&](bool missing, const char* what) {
            require(!missing, "{}: {} needs {} of tensor '{}'; give data or an evaluator to collect them from, or a file that has them", prune_caller,
                    method.name, what, printable(t.name));
        };
        refuse(needs.gradients && info.gradients.empty(), "gradients");
        refuse(needs.curvature && info.hessian_diag.empty() && info.squared_gradients.empty(), "the curvature");
        refuse(needs.activations && !info.activations, "the inputs");
    }

    const model& model_;
    const importance_data& data_;
    const study_pruning_options& options_;
    bool in_out_;
};

// Places of the matrices that may lose single weights: those of the blocks, or of all layers where there are no blocks.
inline std::vector<std::size_t> prunable_matrices(const model& m, const study_pruning_options& options)
{
    std::vector<std::size_t> in_blocks, others;
    const name_filter filter(options.names);
    std::size_t layer_count = 0;
    for (const named_tensor& t : m.tensors)
        if (const auto name = parse_block_name(t.name))
            layer_count = std::max(layer_count, name->layer + 1);
    for (std::size_t i = 0; i < m.tensors.size(); ++i) {
        const named_tensor& t = m.tensors[i];
        if (t.shape.size() < 2 || !is_numeric(t.dtype) || t.dtype == dtype::float8_e8m0 || is_buffer(t.name) || !t.tied_to.empty()
            || !t.part_of.empty() || !filter.takes(t.name))
            continue;
        if (const auto name = parse_block_name(t.name)) {
            const std::size_t layer = name->layer;
            const bool frozen = layer < options.selection.freeze_first || layer + options.selection.freeze_last >= layer_count
                             || std::find(options.selection.freeze_layers.begin(), options.selection.freeze_layers.end(), layer)
                                    != options.selection.freeze_layers.end();
            if (!frozen && name->part != block_part::router)
                in_blocks.push_back(i);
            continue;
        }
        const std::string name = lower_case(t.name);
        static constexpr std::string_view ends[] = {"embed", "wte.", "wpe.", "token_embd", "lm_head", "output.weight"};
        if (std::none_of(std::begin(ends), std::end(ends), [&](std::string_view end) { return name.find(end) != std::string::npos; }))
            others.push_back(i);
    }
    return layer_count > 0 ? in_blocks : others;
}

}  // namespace weightscope::detail
