#pragma once

#if __has_include(<spawn.h>)

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <weightscope/core/error.hpp>
#include <weightscope/evaluators/evaluator.hpp>
#include <weightscope/evaluators/evaluator_process.hpp>
#include <weightscope/evaluators/sinks.hpp>
#include <weightscope/evaluators/storage_step.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/io/safetensors.hpp>

namespace weightscope::detail {

inline constexpr std::string_view counted_rows_suffix = ".rows";

// What a program wrote of a tensor, as floats.
inline std::vector<float> activation_floats(const named_tensor& tensor)
{
    std::vector<float> values(tensor.size());
    with_real(tensor.dtype, [&]<class T>(std::type_identity<T>) {
        for (std::size_t i = 0; i < values.size(); ++i)
            values[i] = static_cast<float>(weight_of<T>(tensor.bytes.data() + i * sizeof(T)));  // they may lie anywhere
    });
    return values;
}

// Shows the tap what a program wrote about its layers' inputs; then the program may write the file again.
inline void show_activations(evaluator_process& process, const std::string& answer, const std::filesystem::path& file, const activation_tap& tap)
{
    const auto expect = [&](bool fine, const std::string& what) {
        if (!fine)
            process.channel.refuse(answer, what);
    };
    const auto words = words_of(answer);
    const auto count = words.size() == 1 ? parse_number<std::size_t>(words[0]) : std::nullopt;
    expect(count.has_value(), "a number of layers, such as '12'");
    const model written = [&] {
        try {
            return weightscope::read_safetensors(file);
        } catch (const io_error& error) {
            process.channel.refuse(answer, fmt::format("a safetensors file at the path that it was given; {}", error.what()));
        }
    }();
    const std::vector<weight_info>& weights = process.weights.weights();
    std::size_t shown = 0;
    for (const named_tensor& tensor : written.tensors) {
        const std::string name = printable(tensor.name);
        const auto layer_named = [&](std::string_view wanted) {
            return static_cast<std::size_t>(
                std::find_if(weights.begin(), weights.end(), [&](const weight_info& info) { return info.name == wanted; }) - weights.begin());
        };
        const std::size_t layer = layer_named(tensor.name);
        if (layer == weights.size()) {
            std::string_view stem = tensor.name;
            expect(stem.ends_with(counted_rows_suffix), fmt::format("inputs under the names of weights, and '{}' is none", name));
            stem.remove_suffix(counted_rows_suffix.size());
            expect(layer_named(stem) < weights.size(), fmt::format("inputs under the names of weights, and '{}' is none", printable(stem)));
            continue;
        }
        expect(tensor.shape.size() == 2 && is_differentiable(tensor.dtype),
               fmt::format("floats of shape [rows, cols] for '{}', which has {} of shape {}", name, to_string(tensor.dtype), tensor.shape));
        ++shown;
        std::vector<std::uint8_t> mask;
        for (const named_tensor& other : written.tensors)
            if (other.name == tensor.name + std::string(counted_rows_suffix)) {
                expect((other.dtype == dtype::uint8 || other.dtype == dtype::boolean) && other.size() == tensor.shape[0],
                       fmt::format("one U8 for each of the {} rows of '{}', which has {} of shape {}", tensor.shape[0], name, to_string(other.dtype),
                                   other.shape));
                for (const std::byte b : other.bytes)
                    mask.push_back(std::to_integer<std::uint8_t>(b));
            }
        if (!tap.wants(layer))
            continue;
        const std::vector<float> values = activation_floats(tensor);
        written.tensors.front().file->verify();
        tap(layer, {.data = values.data(), .rows = tensor.shape[0], .cols = tensor.shape[1], .row_mask = mask});
    }
    expect(shown == *count, fmt::format("the inputs of as many layers as it says; the file has those of {}", shown));
    std::error_code missing;
    std::filesystem::remove(file, missing);
}

}  // namespace weightscope::detail

#endif
