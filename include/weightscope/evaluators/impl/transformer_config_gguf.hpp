#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/elements.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/evaluators/transformer_config.hpp>
#include <weightscope/evaluators/transformer_config_gguf.hpp>
#include <weightscope/io/metadata.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>

namespace weightscope {

namespace detail {

// The metadata of a GGUF file whose keys begin with the name of the architecture.
class gguf_settings
{
public:
    explicit gguf_settings(const model& m) : model_(m) {}

    std::optional<std::string_view> find(std::string_view key) const { return find_metadata(model_, full(key)); }

    std::size_t count(std::string_view key, std::optional<std::size_t> otherwise = {}) const
    {
        const auto text = find(key);
        return text ? count_of(key, *text, 1) : need(key, otherwise);
    }
    // One number for all layers, or a list of one for each, of which some may be 0.
    std::vector<std::size_t> counts(std::string_view key, std::size_t layers, const std::vector<std::size_t>& otherwise) const
    {
        const auto text = find(key);
        if (!text)
            return otherwise.empty() ? need<std::vector<std::size_t>>(key, {}) : otherwise;
        if (!text->starts_with('['))
            return std::vector<std::size_t>(layers, count_of(key, *text, 1));
        std::vector<std::size_t> result;
        std::string_view rest = text->substr(1, text->size() - 2);
        while (!rest.empty()) {
            const std::size_t end = std::min(rest.find(','), rest.size());
            result.push_back(count_of(key, rest.substr(0, end), 0));
            rest.remove_prefix(std::min(end + 2, rest.size()));
        }
        if (result.size() != layers)
            refuse(key, fmt::format("a list of {} layers", layers));
        return result;
    }
    double positive(std::string_view key, std::optional<double> otherwise = {}) const
    {
        const auto text = find(key);
        if (!text)
            return need(key, otherwise);
        const auto value = metadata_number<double>(*text);
        if (!value || !(*value > 0))
            refuse(key, "a number above 0");
        return *value;
    }
    [[noreturn]] void refuse(std::string_view key, std::string_view expected) const
    {
        const auto text = find(key);
        throw io_error(model_.path, std::nullopt, fmt::format("key '{}'", full(key)),
                       fmt::format("is {}, expected {}", text ? printable(*text, 60) : "missing", expected));
    }

private:
    std::string full(std::string_view key) const { return fmt::format("{}.{}", model_.architecture, key); }

    std::size_t count_of(std::string_view key, std::string_view text, std::size_t least) const
    {
        constexpr std::size_t largest = 2147483647;
        const auto value = metadata_number<std::size_t>(text);
        if (!value || *value < least || *value > largest)
            refuse(key, fmt::format("a whole number from {} to {}", least, largest));
        return *value;
    }
    template <class T>
    T need(std::string_view key, std::optional<T> otherwise) const
    {
        if (!otherwise)
            throw io_error(model_.path, std::nullopt, fmt::format("key '{}'", full(key)),
                           "is missing; convert the model again with a llama.cpp of today");
        return *otherwise;
    }

    const model& model_;
};

inline const named_tensor* find_tensor(const model& m, std::string_view name)
{
    const auto at = std::find_if(m.tensors.begin(), m.tensors.end(), [&](const named_tensor& tensor) { return tensor.name == name; });
    return at == m.tensors.end() ? nullptr : &*at;
}

// llama3's slowed rotations stand in the file as what each frequency is divided by.
inline void read_gguf_rope(const model& m, const gguf_settings& settings, transformer_config& result)
{
    result.rope = m.architecture == "llama" ? rope_layout::interleaved : rope_layout::half_split;
    result.rope_theta = settings.positive("rope.freq_base", 10000.0);
    if (settings.count("rope.dimension_count", result.head_size) != result.head_size)
        settings.refuse("rope.dimension_count", fmt::format("the size of a head, {}: turning a part of it is not supported", result.head_size));
    const std::string_view kind = settings.find("rope.scaling.type").value_or("none");
    if (kind == "linear") {
        result.scaling = rope_scaling::linear;
        result.scaling_factor = settings.positive("rope.scaling.factor");
    } else if (kind != "none") {
        settings.refuse("rope.scaling.type", "one that is supported: none, linear");
    }
    if (const named_tensor* divisors = find_tensor(m, "rope_freqs.weight")) {
        if (divisors->size() != result.head_size / 2 || !is_numeric(divisors->dtype))
            throw io_error(m.path, std::nullopt, "tensor 'rope_freqs.weight'",
                           fmt::format("has {} elements of {}, expected {} numbers, one for each pair of a head", divisors->size(),
                                       divisors->storage(), result.head_size / 2));
        result.rope_divisors = visit(*divisors, [](const auto& view) {
            return with_elements(view, [](auto elements) {
                std::vector<double> values;
                for (const auto x : elements)
                    values.push_back(static_cast<double>(x));
                return values;
            });
        });
    }
}

// Mixtral's files are of the architecture llama, with experts in each layer that share by the softmax over those taken.
inline void read_gguf_experts(const gguf_settings& settings, std::string_view type, transformer_config& result)
{
    const auto given = [&](std::string_view key) {
        const auto text = settings.find(key);
        return text && *text != "0";
    };
    if (!given("expert_count"))
        return;
    if (type != "llama")
        settings.refuse("expert_count", fmt::format("0: experts are supported in the architecture llama, not in {}", type));
    if (given("expert_shared_count"))
        settings.refuse("expert_shared_count", "0: experts that every token takes are not supported");
    result.expert_count = settings.count("expert_count");
    result.experts_per_token = settings.count("expert_used_count");
    if (result.experts_per_token > result.expert_count)
        settings.refuse("expert_used_count", fmt::format("at most expert_count, {}", result.expert_count));
}

}  // namespace detail

WEIGHTSCOPE_INLINE transformer_config read_transformer_config(const model& m)
{
    const std::string& type = m.architecture;
    if (type != "llama" && type != "qwen2" && type != "gpt2")
        throw io_error(m.path, std::nullopt, "key 'general.architecture'",
                       fmt::format("is '{}', expected one that is supported: gpt2, llama, qwen2", printable(type, 40)));
    const detail::gguf_settings settings(m);
    const named_tensor* embedding = detail::find_tensor(m, "token_embd.weight");
    transformer_config result{.family = type == "gpt2" ? transformer_family::gpt2 : transformer_family::llama,
                              .vocabulary_size = settings.count("vocab_size", embedding && !embedding->shape.empty() ? embedding->shape[0] : 0),
                              .width = settings.count("embedding_length"),
                              .layer_count = settings.count("block_count")};
    if (result.vocabulary_size == 0)
        settings.refuse("vocab_size", "a whole number from 1 to 2147483647, or a tensor 'token_embd.weight' to tell it");
    const std::vector<std::size_t> heads = settings.counts("attention.head_count", result.layer_count, {}),
                                   kv_heads = settings.counts("attention.head_count_kv", result.layer_count, heads),
                                   feeds = settings.counts(settings.find("expert_feed_forward_length") ? "expert_feed_forward_length" : "feed_forward_length",
                                                           result.layer_count, {});
    detail::read_gguf_experts(settings, type, result);
    for (std::size_t i = 0; i < result.layer_count; ++i) {
        if ((heads[i] == 0) != (kv_heads[i] == 0) || (kv_heads[i] > 0 && heads[i] % kv_heads[i] != 0))
            settings.refuse("attention.head_count_kv", fmt::format("a divisor of attention.head_count, {}", heads[i]));
        result.layers.push_back({.head_count = heads[i], .kv_head_count = kv_heads[i], .feed_forward_size = feeds[i], .expert_count = result.expert_count});
        result.head_count = std::max(result.head_count, heads[i]);
        result.kv_head_count = std::max(result.kv_head_count, kv_heads[i]);
        result.feed_forward_size = std::max(result.feed_forward_size, feeds[i]);
    }
    if (std::all_of(result.layers.begin(), result.layers.end(), [&](const layer_widths& w) { return w == result.layers.front(); }))
        result.layers.clear();
    if (!settings.find("attention.key_length") && (result.head_count == 0 || result.width % result.head_count != 0))
        settings.refuse("attention.head_count", fmt::format("a divisor of embedding_length, {}", result.width));
    result.head_size = settings.count("attention.key_length", result.width / std::max<std::size_t>(result.head_count, 1));
    if (settings.count("attention.value_length", result.head_size) != result.head_size)
        settings.refuse("attention.value_length", fmt::format("that of the keys, {}", result.head_size));
    result.max_positions = settings.count("context_length", 2048);
    result.tied_head = detail::find_tensor(m, "output.weight") == nullptr;
    const auto has = [&](std::string_view part) {
        return std::any_of(m.tensors.begin(), m.tensors.end(), [&](const named_tensor& tensor) { return tensor.name.ends_with(part); });
    };
    if (type == "gpt2") {
        result.norm_epsilon = settings.positive("attention.layer_norm_epsilon");
        result.query_key_value_bias = result.attention_output_bias = result.feed_forward_bias = true;
        return result;
    }
    result.norm_epsilon = settings.positive("attention.layer_norm_rms_epsilon");
    result.query_key_value_bias = has(".attn_q.bias");
    result.attention_output_bias = has(".attn_output.bias");
    result.feed_forward_bias = has(".ffn_up.bias");
    if (result.head_size % 2 != 0)
        settings.refuse("attention.key_length", "an even number: rotations turn pairs");
    if (const auto window = settings.find("attention.sliding_window"))  // shorter sequences are the same with and without
        result.max_positions = std::min(result.max_positions, settings.count("attention.sliding_window"));
    detail::read_gguf_rope(m, settings, result);
    return result;
}

}  // namespace weightscope
