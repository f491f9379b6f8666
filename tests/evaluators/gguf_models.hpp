#pragma once
// Decoders of tiny_transformers.hpp as GGUF files.

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/ggml_type.hpp>
#include <weightscope/evaluators/transformer_config.hpp>
#include <weightscope/io/gguf_names.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/scorers/group_names.hpp>

#include "../io/gguf_writer.hpp"

namespace gguf_models {

using namespace weightscope;

inline std::string text_of(std::span<const std::byte> bytes)
{
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Rows [out, in] in the order of llama.cpp's converter for llama: i and i + size/2 of each head become neighbours.
inline std::string permuted(const std::string& rows, std::size_t row_count, std::size_t head_size)
{
    const std::size_t row_bytes = rows.size() / row_count;
    std::string result;
    for (std::size_t row = 0; row < row_count; ++row) {
        const std::size_t head = row / head_size, pair = row % head_size / 2, half = row % 2;
        result += rows.substr((head * head_size + half * head_size / 2 + pair) * row_bytes, row_bytes);
    }
    return result;
}

inline std::string transposed(const std::string& matrix, std::size_t rows, std::size_t cols)
{
    const std::size_t size = matrix.size() / (rows * cols);
    std::string result;
    for (std::size_t c = 0; c < cols; ++c)
        for (std::size_t r = 0; r < rows; ++r)
            result += matrix.substr((r * cols + c) * size, size);
    return result;
}

template <class T>
void add_settings(gguf_writer::file& f, const std::string& type, const transformer_config& c, T head_count, T kv_head_count, T feed)
{
    const std::string stem = type + ".";
    f.key("general.architecture", type.c_str());
    f.key(stem + "block_count", static_cast<std::uint32_t>(c.layer_count)).key(stem + "embedding_length", static_cast<std::uint32_t>(c.width));
    f.key(stem + "context_length", static_cast<std::uint32_t>(c.max_positions));
    f.keys.emplace_back(stem + "feed_forward_length", feed);
    f.keys.emplace_back(stem + "attention.head_count", head_count);
    f.keys.emplace_back(stem + "attention.head_count_kv", kv_head_count);
    if (type == "gpt2") {
        f.key(stem + "attention.layer_norm_epsilon", static_cast<float>(c.norm_epsilon));
        return;
    }
    f.key(stem + "attention.layer_norm_rms_epsilon", static_cast<float>(c.norm_epsilon));
    f.key(stem + "attention.key_length", static_cast<std::uint32_t>(c.head_size));
    f.key(stem + "attention.value_length", static_cast<std::uint32_t>(c.head_size));
    f.key(stem + "rope.freq_base", static_cast<float>(c.rope_theta));
}

// A model of Hugging Face's names as llama.cpp's converter writes it. Experts, in the order of their numbers, become one tensor.
inline gguf_writer::file gguf_of(const model& m, const transformer_config& c, const std::string& type)
{
    gguf_writer::file f;
    const auto number = [](std::size_t n) { return gguf_writer::value(static_cast<std::uint32_t>(n)); };
    add_settings(f, type, c, number(c.head_count), number(c.kv_head_count), number(c.feed_forward_size));
    if (c.expert_count > 0) {
        f.key(type + ".expert_count", static_cast<std::uint32_t>(c.expert_count));
        f.key(type + ".expert_used_count", static_cast<std::uint32_t>(c.experts_per_token));
    }
    std::map<std::string, std::string> stacks;
    std::map<std::string, std::vector<std::uint64_t>> extents_of;
    for (const named_tensor& tensor : m.tensors) {
        const auto own = weightscope::detail::parse_block_name(tensor.name);
        const std::string layer = own ? "blk." + std::to_string(own->layer) + "." : "";
        if (own && own->expert) {
            const auto part = own->part == weightscope::detail::block_part::gate ? "gate" : own->part == weightscope::detail::block_part::up ? "up" : "down";
            const std::string stack = layer + "ffn_" + part + "_exps.weight";
            stacks[stack] += text_of(tensor.bytes);
            extents_of[stack] = {tensor.shape[1], tensor.shape[0], c.expert_count};
            continue;
        }
        if (own && own->part == weightscope::detail::block_part::router) {
            f.tensors.push_back({layer + "ffn_gate_inp.weight", {tensor.shape[1], tensor.shape[0]}, find_ggml_type(to_string(tensor.dtype))->number,
                                 text_of(tensor.bytes)});
            continue;
        }
        std::string bytes = text_of(tensor.bytes);
        std::vector<std::uint64_t> extents(tensor.shape.rbegin(), tensor.shape.rend());
        const std::string name = gguf_name((type == "gpt2" ? "transformer." : "") + tensor.name, type);
        const bool query_or_key = name.ends_with("attn_q.weight") || name.ends_with("attn_k.weight");
        if (type == "llama" && query_or_key)
            bytes = permuted(bytes, tensor.shape[0], c.head_size);
        if (type == "gpt2" && tensor.shape.size() == 2 && name.starts_with("blk.")) {
            bytes = transposed(bytes, tensor.shape[0], tensor.shape[1]);
            std::swap(extents[0], extents[1]);
        }
        f.tensors.push_back({name, extents, find_ggml_type(to_string(tensor.dtype))->number, bytes});
    }
    for (const auto& [name, bytes] : stacks)
        f.tensors.push_back({name, extents_of[name], find_ggml_type(to_string(m.tensors[0].dtype))->number, bytes});
    return f;
}

}  // namespace gguf_models
