#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/io/activation_statistics.hpp>
#include <weightscope/io/gguf_names.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/open_model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/activation_file.hpp>
#include <weightscope/scorers/importance.hpp>
#include <weightscope/scorers/importance_data.hpp>
#include <weightscope/scorers/importance_files.hpp>

namespace weightscope {

namespace detail {

// Names, as many as fit into a line.
inline std::string some_of(const std::vector<std::string>& names)
{
    constexpr std::size_t shown = 5;
    std::vector<std::string> front;
    for (std::size_t i = 0; i < std::min(names.size(), shown); ++i)
        front.push_back(printable(names[i]));
    return fmt::format("{}{}", fmt::join(front, ", "), names.size() > shown ? fmt::format(" and {} more", names.size() - shown) : std::string());
}

// One kind of derivative for the weights that the file has.
inline void read_derivatives(const std::filesystem::path& path, std::span<const weight_info> weights, importance_values importance_info::*member,
                             bool may_be_negative, importance_files_result& result)
{
    const model file = open_model(path);
    std::map<std::string_view, const named_tensor*> by_name;
    for (const named_tensor& tensor : file.tensors)
        by_name.emplace(tensor.name, &tensor);
    std::vector<std::string> missing;
    for (const weight_info& info : weights) {
        const auto found = by_name.find(info.name);
        if (found == by_name.end()) {
            missing.push_back(info.name);
            continue;
        }
        const named_tensor& tensor = *found->second;
        const std::string field = fmt::format("tensor '{}'", printable(tensor.name));
        if (tensor.shape != info.shape)
            throw io_error(path, std::nullopt, field, fmt::format("has shape {}, expected that of the weight, {}", tensor.shape, info.shape));
        if (!is_numeric(tensor.dtype))
            throw io_error(path, std::nullopt, field, fmt::format("is {}, expected numbers", tensor.storage()));
        require_finite_numbers(tensor, path, may_be_negative);
        result.data.add(info.name, [tensor, member, source = path.filename().string()](importance_info& known) {
            known.*member = importance_values(numbers_of(tensor));
            merge_origin(known.origin, {.source = source});
        });
    }
    if (missing.size() == weights.size() && !weights.empty())
        throw io_error(path, std::nullopt, {},
                       fmt::format("has nothing under the name of any of the {} weights, such as '{}'; arrays must be named as the weights are",
                                   weights.size(), printable(weights.front().name)));
    if (!missing.empty())
        result.missing.push_back(fmt::format("{} lacks {}", path.filename().string(), some_of(missing)));
}

}  // namespace detail

WEIGHTSCOPE_INLINE std::vector<std::string> add_activations(importance_data& data, std::span<const weight_info> weights,
                                                            std::span<const activation_statistics> statistics, const std::string& source,
                                                            std::size_t sequences)
{
    std::map<std::string_view, const activation_statistics*> by_name;
    for (const activation_statistics& s : statistics)
        by_name.emplace(s.tensor, &s);
    std::vector<std::string> missing;
    for (const weight_info& info : weights) {
        auto found = by_name.find(info.name);
        for (const char* family : {"llama", "gpt2"})
            if (found == by_name.end())
                found = by_name.find(gguf_name(info.name, family));
        if (found == by_name.end()) {
            if (info.shape.size() >= 2)
                missing.push_back(info.name);
            continue;
        }
        data.add(info.name, [known_of = *found->second, source, sequences](importance_info& known) {
            known.activations = known_of;
            known.sequences = sequences;
            detail::merge_origin(known.origin, {.source = source});
        });
    }
    return missing;
}

WEIGHTSCOPE_INLINE importance_files_result read_importance_files(std::span<const weight_info> weights, const importance_files& files)
{
    importance_files_result result;
    if (!files.gradients.empty())
        detail::read_derivatives(files.gradients, weights, &importance_info::gradients, true, result);
    if (!files.squared_gradients.empty())
        detail::read_derivatives(files.squared_gradients, weights, &importance_info::squared_gradients, false, result);
    if (!files.hessian_diag.empty())
        detail::read_derivatives(files.hessian_diag, weights, &importance_info::hessian_diag, true, result);
    if (!files.activations.empty()) {
        const std::string name = files.activations.filename().string();
        const auto statistics = read_activation_statistics(files.activations);
        const auto missing = add_activations(result.data, weights, statistics, name);
        std::size_t matrices = 0;
        for (const weight_info& info : weights)
            matrices += info.shape.size() >= 2 ? 1 : 0;
        if (missing.size() == matrices && matrices > 0)
            throw io_error(files.activations, std::nullopt, {},
                           fmt::format("has nothing under the name of any of the {} matrices, such as '{}'; statistics must be named as the "
                                       "weights are",
                                       matrices, printable(missing.front())));
        if (!missing.empty())
            result.missing.push_back(fmt::format("{} lacks {}", name, detail::some_of(missing)));
    }
    return result;
}

}  // namespace weightscope
