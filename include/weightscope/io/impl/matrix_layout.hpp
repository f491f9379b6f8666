#pragma once

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/matrix_layout.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/value_decoder.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE bool ends_with_any(std::string_view name, std::span<const std::string_view> endings)
{
    return std::any_of(endings.begin(), endings.end(), [name](std::string_view ending) { return name.ends_with(ending); });
}

WEIGHTSCOPE_INLINE bool has_conv1d_name(std::string_view name)
{
    static constexpr std::string_view endings[] = {"attn.c_attn.weight", "attn.q_attn.weight", "attn.c_proj.weight",
                                                   "crossattention.c_attn.weight", "crossattention.q_attn.weight",
                                                   "crossattention.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight"};
    return ends_with_any(name, endings);
}

WEIGHTSCOPE_INLINE std::string lower_case(std::string_view text)
{
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

}  // namespace detail

WEIGHTSCOPE_INLINE bool keeps_conv1d_transposed(const model& m)
{
    for (const named_tensor& tensor : m.tensors)
        if (tensor.name.ends_with("attn.c_attn.weight") && tensor.shape.size() == 2)
            return tensor.shape[1] == 3 * tensor.shape[0];
    return m.architecture == "gpt2";
}

WEIGHTSCOPE_INLINE bool is_expert_stack(const named_tensor& tensor)
{
    if (tensor.shape.size() != 3)
        return false;
    const std::string name = detail::lower_case(tensor.name);
    if (name.find("conv") != std::string::npos)
        return false;
    if (name.find("expert") != std::string::npos || name.find("moe") != std::string::npos)
        return true;
    constexpr std::size_t largest_kernel = 64;
    return tensor.shape[1] > largest_kernel && tensor.shape[2] > largest_kernel;
}

namespace detail {

// A run of the elements that another decoder makes.
class part_decoder : public value_decoder
{
public:
    part_decoder(std::shared_ptr<const value_decoder> whole, std::size_t first) : whole_(std::move(whole)), first_(first) {}

    void decode(std::size_t first, std::span<std::byte> out) const override { whole_->decode(first_ + first, out); }

private:
    std::shared_ptr<const value_decoder> whole_;
    std::size_t first_;
};

}  // namespace detail

WEIGHTSCOPE_INLINE std::vector<named_tensor> unstack_experts(const named_tensor& tensor)
{
    if (!is_expert_stack(tensor) || tensor.shape[0] == 0 || bits_of(tensor.dtype) % 8 != 0 || tensor.dtype == dtype::opaque)
        return {tensor};
    std::vector<named_tensor> experts;
    const std::size_t bytes = tensor.bytes.size() / tensor.shape[0];
    for (std::size_t i = 0; i < tensor.shape[0]; ++i) {
        named_tensor expert = tensor;
        expert.name += "[" + std::to_string(i) + "]";
        expert.shape.erase(expert.shape.begin());
        if (tensor.decoder) {
            expert.decoder = std::make_shared<const detail::part_decoder>(tensor.decoder, i * expert.size());
            expert.encoded_bytes = tensor.encoded_bytes / tensor.shape[0];
        }
        expert.bytes = tensor.bytes.subspan(i * bytes, bytes);
        expert.offset += i * bytes;
        experts.push_back(std::move(expert));
    }
    return experts;
}

}  // namespace weightscope
