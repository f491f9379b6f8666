#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/core/work_list.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/duplicates.hpp>
#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/name_filter.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/study/quantization_layers.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE bool is_embedding_table(const named_tensor& tensor)
{
    const std::string name = detail::lower_case(tensor.name);
    const auto has = [&](std::string_view part) { return name.find(part) != std::string::npos; };
    return tensor.shape.size() == 2 && (has("emb") || has("wte") || has("wpe"))
           && !(has("embed_out") || has("unembed") || has("linear") || has("proj") || has("mlp") || has("fc"));
}

WEIGHTSCOPE_INLINE bool is_output_layer(const named_tensor& tensor)
{
    static constexpr std::array<std::string_view, 8> names = {"lm_head", "head", "output", "classifier", "score", "logits", "embed_out", "fc"};
    std::string_view name = tensor.name;
    if (name.ends_with(".weight"))
        name.remove_suffix(7);
    name.remove_prefix(std::min(name.size(), name.rfind('.') + 1));  // npos + 1 is 0
    return tensor.shape.size() >= 2 && std::find(names.begin(), names.end(), name) != names.end();
}

namespace detail {

WEIGHTSCOPE_INLINE std::vector<std::size_t> quantized_shape(const study_layer& layer)
{
    return layer.transposed ? std::vector{layer.shape[1], layer.shape[0]} : layer.shape;
}

inline std::string kept_because(const named_tensor& tensor, const quantization_study_options& options, const name_filter& filter)
{
    if (!filter.takes(tensor.name))
        return "not chosen";
    if (!is_numeric(tensor.dtype) || (tensor.dtype >= dtype::int8 && tensor.dtype <= dtype::uint64) || tensor.dtype == dtype::float8_e8m0)
        return fmt::format("{} is no float", to_string(tensor.dtype));
    if (!tensor.part_of.empty())
        return fmt::format("part of {}", printable(tensor.part_of));
    if (tensor.size() == 0)
        return "empty";
    if (tensor.shape.size() < 2 && !options.vectors)
        return "vector";
    if (is_embedding_table(tensor) && !options.embeddings)
        return "embedding";
    return {};
}

// Equal tensors are treated alike, or they would no longer be equal: what keeps one of them keeps them all.
inline void join_equal_layers(std::vector<located_layer>& layers)
{
    for (const located_layer& one : layers)
        if (!one.layer.kept.empty())
            for (located_layer& other : layers)
                if (other.alike == one.alike && other.layer.kept.empty())
                    other.layer.kept = fmt::format("equals {}: {}", printable(one.layer.name), one.layer.kept);
}

// First in the order of the model; last the one that is called an output layer, else the last in order.
inline void mark_first_and_last(std::vector<located_layer>& layers)
{
    const auto mark = [&](std::size_t index, bool study_layer::*end) {
        for (located_layer& other : layers)
            if (other.whole == layers[index].whole || other.alike == layers[index].alike)
                other.layer.*end = true;
    };
    std::size_t first = layers.size(), last = layers.size(), head = layers.size();
    for (std::size_t i = 0; i < layers.size(); ++i) {
        const bool output = is_output_layer(layers[i].tensor);
        if (output && (layers[i].layer.kept.empty() || layers[i].layer.kept.starts_with("equals")))
            head = i;
        if (!layers[i].layer.kept.empty() || output)
            continue;
        first = std::min(first, i);
        last = i;
    }
    if (first < layers.size())
        mark(first, &study_layer::first);
    if (head < layers.size() || last < layers.size())
        mark(head < layers.size() ? head : last, &study_layer::last);
}

WEIGHTSCOPE_INLINE std::vector<located_layer> locate_layers(const model& m, const quantization_study_options& options)
{
    const name_filter filter({.include = options.include, .exclude = options.exclude, .restrict_to = options.restrict_to});
    const bool conv1d = keeps_conv1d_transposed(m);
    std::vector<located_layer> layers;
    std::vector<named_tensor> parts;
    bool taken = m.tensors.empty();
    for (std::size_t whole = 0; whole < m.tensors.size(); ++whole) {
        const named_tensor& tensor = m.tensors[whole];
        taken |= filter.takes(tensor.name);
        const std::string kept = kept_because(tensor, options, filter);
        for (named_tensor& part : kept.empty() ? unstack_experts(tensor) : std::vector{tensor}) {
            study_layer layer{.name = part.name,
                              .shape = part.shape,
                              .dtype = part.storage(),
                              .parameters = part.size(),
                              .bytes = part.stored_bytes(),
                              .tied_to = part.tied_to,
                              .kept = kept};
            layer.transposed = part.shape.size() == 2
                               && (options.orientation == matrix_orientation::in_out
                                   || (options.orientation == matrix_orientation::detect
                                       && (part.transposed || (conv1d && has_conv1d_name(part.name)))));
            layers.push_back({.layer = std::move(layer), .tensor = part, .whole = whole});
            parts.push_back(std::move(part));
        }
    }
    if (!taken)
        throw std::invalid_argument(fmt::format("weightscope::study_quantization(model, options): include, exclude and restrict leave none of "
                                                "the {} tensors", m.tensors.size()));
    const std::vector<std::size_t> alike = find_duplicates(parts);
    for (std::size_t i = 0; i < layers.size(); ++i) {
        layers[i].alike = alike[i];
        if (alike[i] != i && layers[i].layer.tied_to.empty())
            layers[i].layer.duplicate_of = layers[alike[i]].layer.name;
    }
    join_equal_layers(layers);
    mark_first_and_last(layers);
    return layers;
}

WEIGHTSCOPE_INLINE void require_study_of(const char* caller, const model& m, const quantization_study_result& study,
                                         const std::vector<located_layer>& layers)
{
    const bool same = std::equal(layers.begin(), layers.end(), study.layers.begin(), study.layers.end(),
                                 [](const auto& a, const auto& b) { return a.layer.name == b.name && a.layer.shape == b.shape; });
    require(same, "{}: the study is of another model, expected one of {}", caller, m.path.string());
}

WEIGHTSCOPE_INLINE work_list measured_layers(const std::vector<located_layer>& layers)
{
    work_list work;
    for (std::size_t i = 0; i < layers.size(); ++i)
        if (layers[i].layer.kept.empty() && layers[i].alike == i)
            work.add(i, layers[i].layer.name, {.cost = static_cast<double>(layers[i].layer.parameters) + 1000});
    return work;
}

WEIGHTSCOPE_INLINE void require_fit(const std::vector<scheme>& schemes, const std::vector<located_layer>& layers)
{
    for (const scheme& s : schemes) {
        require_scheme(s, "study_quantization(model, options)", s.channel_axis + 1);
        for (const located_layer& one : layers)
            require(!one.layer.kept.empty() || s.granularity != scale_granularity::per_channel || s.channel_axis == 0
                        || s.channel_axis < one.layer.shape.size(),
                    "study_quantization(model, options): {} does not fit {} of rank {}, expected a channel axis below the rank; leave "
                    "the layer out with exclude, or choose another axis",
                    to_string(s), printable(one.layer.name), one.layer.shape.size());
    }
}

}  // namespace detail

}  // namespace weightscope
