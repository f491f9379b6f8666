#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/bit_layout.hpp>
#include <weightscope/core/compiled.hpp>
#include <weightscope/core/ggml_type.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/io/bit_location.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>
#include <weightscope/scorers/bit_source.hpp>
#include <weightscope/scorers/bit_view.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE bit_layout bit_layout_of_dtype(dtype type)
{
    return with_scalar(type, []<class T>(std::type_identity<T>) { return bit_layout_of<T>(); });
}

WEIGHTSCOPE_INLINE bit_sources bit_sources_of(const model& m)
{
    bit_sources result;
    for (const named_tensor& tensor : m.tensors) {
        const auto pass_over = [&](std::string_view reason) {
            result.passed_over.push_back(fmt::format("{} ({}): {}", printable(tensor.name), printable(tensor.storage()), reason));
        };
        if (!tensor.tied_to.empty() || tensor.size() == 0)
            continue;
        bit_source source{.name = tensor.name, .shape = tensor.shape, .dtype = tensor.dtype, .storage = tensor.storage(), .size = tensor.size(), .file = tensor.file};
        const bool plain = tensor.encoding.empty() && is_numeric(tensor.dtype);  // a decoder then only unpacks or turns
        const std::vector<bit_part> parts = tensor.part_of.empty() ? bit_parts(tensor) : std::vector<bit_part>();
        if (!tensor.part_of.empty()) {
            pass_over(fmt::format("codes or scales of '{}': what a flip does to its weights is known to their decoder alone; bits map tells what it "
                                  "does to the number itself, and bits flip makes it",
                                  printable(tensor.part_of)));
            continue;
        }
        if (parts.empty() && !plain) {
            const bool has_parts = std::any_of(m.tensors.begin(), m.tensors.end(), [&](const named_tensor& other) { return other.part_of == tensor.name; });
            pass_over(has_parts ? "its bits are those of its codes and scales, which are tensors of their own"
                                : "its weights have no bits of their own that are known here");
            continue;
        }
        source.parts = plain ? std::vector<bit_part>{{.name = "code", .layout = bit_layout_of_dtype(tensor.dtype)}} : parts;
        source.open = [&tensor, plain, layout = source.parts.front().layout]() -> std::unique_ptr<bit_view> {
            if (plain && tensor.decoder)
                return std::make_unique<plain_bit_view>(tensor.dtype, value_bytes_of(tensor));
            if (plain)
                return std::make_unique<plain_bit_view>(tensor.dtype, tensor.bytes);
            if (const ggml_type* type = ggml_bit_type(tensor))
                return std::make_unique<block_bit_view>(*type, tensor.bytes);
            return std::make_unique<packed_bit_view>(layout, tensor.bytes);
        };
        result.tensors.push_back(std::move(source));
    }
    return result;
}

WEIGHTSCOPE_INLINE bit_sources bit_sources_of(const any_evaluator& evaluator)
{
    bit_sources result;
    for (std::size_t t = 0; t < evaluator.weights().size(); ++t) {
        const weight_info& info = evaluator.weights()[t];
        if (storage_of(evaluator, t) != t || info.size() == 0)
            continue;
        if (!is_numeric(info.dtype)) {
            result.passed_over.push_back(fmt::format("{} ({}): what its bits stand for is not known here", printable(info.name), to_string(info.dtype)));
            continue;
        }
        result.tensors.push_back({.name = info.name,
                                  .shape = info.shape,
                                  .dtype = info.dtype,
                                  .storage = std::string(to_string(info.dtype)),
                                  .parts = {{.name = "code", .layout = bit_layout_of_dtype(info.dtype)}},
                                  .size = info.size(),
                                  .open = [&evaluator, t] {
                                      return std::make_unique<plain_bit_view>(evaluator.weights()[t].dtype, stored_bytes(evaluator, t));
                                  }});
    }
    return result;
}

}  // namespace weightscope::detail
