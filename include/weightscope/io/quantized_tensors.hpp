#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <weightscope/core/error.hpp>
#include <weightscope/io/json_document.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/quantized_packed.hpp>
#include <weightscope/io/quantized_parts.hpp>
#include <weightscope/io/quantized_scaled.hpp>

namespace weightscope::detail {

// True if the configuration in a folder says that GPTQ's zero points are stored as they are ("gptq_v2"), not less one.
inline bool stores_whole_zero_points(const std::filesystem::path& folder)
{
    for (const char* name : {"config.json", "quantize_config.json"}) {
        std::error_code error;
        if (!std::filesystem::is_regular_file(folder / name, error))
            continue;
        try {
            const nlohmann::json whole = read_json_document(folder / name);
            const nlohmann::json& settings =
                whole.is_object() && whole.contains("quantization_config") ? whole["quantization_config"] : whole;
            if (settings.is_object() && settings.contains("checkpoint_format") && settings["checkpoint_format"] == "gptq_v2")
                return true;
        } catch (const io_error&) {
            // the usual convention then
        }
    }
    return false;
}

// Shows quantized weights that lie in parts as what they stand for: GPTQ, AWQ, compressed-tensors, bitsandbytes, and FP8 or INT8 with
// scales. Each becomes one tensor [out, in] of F32 with the weight's name, where the codes stood; its parts stay listed behind it with
// part_of, the codes as NAME.codes where they had the weight's name. What fits no convention stays as it is, and metadata says why.
//
// folder: where the model's config.json lies
inline void join_quantized_tensors(model& m, const std::filesystem::path& folder)
{
    const tensor_parts parts(m);
    std::vector<joined_weight> found;
    bool whole_zero_points = false, configured = false;
    for (const named_tensor& tensor : m.tensors) {
        const std::string& name = tensor.name;
        const auto prefix = [&](std::string_view ending) { return name.substr(0, name.size() - ending.size()); };
        const auto scales_8_bits = [&](std::string_view ending) {
            const named_tensor* weight = name.ends_with(ending) ? parts.find(prefix(ending) + ".weight") : nullptr;
            return weight != nullptr && bits_of(weight->dtype) == 8;
        };
        if (!tensor.part_of.empty()) {
            continue;
        } else if (name.ends_with(".qweight")) {
            if (!std::exchange(configured, true))
                whole_zero_points = stores_whole_zero_points(folder);
            found.push_back(join_qweight(prefix(".qweight"), parts, whole_zero_points));
        } else if (name.ends_with(".weight_packed")) {
            found.push_back(join_weight_packed(prefix(".weight_packed"), parts));
        } else if (scales_8_bits(".SCB")) {
            found.push_back(join_scaled(prefix(".SCB"), parts, "SCB"));
        } else if (scales_8_bits(".weight_scale_inv")) {
            found.push_back(join_scaled(prefix(".weight_scale_inv"), parts, "weight_scale_inv"));
        } else if (scales_8_bits(".weight_scale")) {
            found.push_back(join_scaled(prefix(".weight_scale"), parts, "weight_scale"));
        } else if (const std::size_t at = name.find(".quant_state.bitsandbytes__"); at != std::string::npos) {
            found.push_back(join_bitsandbytes(name.substr(0, at), parts, tensor));
        }
    }
    if (found.empty())
        return;

    constexpr std::size_t most_notes = 16;
    std::size_t notes = 0;
    std::unordered_map<const named_tensor*, const joined_weight*> codes_of, part_of;
    std::unordered_set<std::string_view> made;
    for (const joined_weight& weight : found) {
        const named_tensor* namesake = parts.find(weight.name);
        const bool taken =
            weight.fault.empty() && ((namesake != nullptr && namesake != weight.parts[0]) || !made.insert(weight.name).second);
        if (!weight.fault.empty() || taken) {
            if (++notes <= most_notes)
                m.metadata.emplace_back(fmt::format("left in parts: {}", weight.name),
                                        taken ? "the name is that of another tensor" : weight.fault);
            continue;
        }
        codes_of.emplace(weight.parts[0], &weight);
        for (const named_tensor* part : weight.parts)
            part_of.emplace(part, &weight);
    }

    std::vector<named_tensor> tensors;
    tensors.reserve(m.tensors.size() + codes_of.size());
    for (const named_tensor& tensor : m.tensors) {
        if (const auto whole = codes_of.find(&tensor); whole != codes_of.end()) {
            const joined_weight& weight = *whole->second;
            named_tensor values{.name = weight.name,
                                .shape = weight.shape,
                                .dtype = dtype::float32,
                                .bytes = tensor.bytes,
                                .file = tensor.file,
                                .offset = tensor.offset,
                                .encoding = weight.encoding,
                                .decoder = weight.decoder};
            for (const named_tensor* part : weight.parts)
                values.encoded_bytes += part->stored_bytes();
            tensors.push_back(std::move(values));
        }
        tensors.push_back(tensor);
        if (const auto whole = part_of.find(&tensor); whole != part_of.end()) {
            tensors.back().part_of = whole->second->name;
            if (tensor.name == whole->second->name)
                tensors.back().name += ".codes";
        }
    }
    m.tensors = std::move(tensors);
}

}  // namespace weightscope::detail
