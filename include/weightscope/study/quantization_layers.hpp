#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/matrix_source.hpp>
#include <weightscope/core/transpose.hpp>
#include <weightscope/core/weight_source.hpp>
#include <weightscope/core/work_list.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/report/quantization_study_result.hpp>

namespace weightscope {

/// A table whose rows are looked up: its name says embedding, and not that a layer inside one is meant, or the output layer.
[[nodiscard]] WEIGHTSCOPE_INLINE bool is_embedding_table(const named_tensor& tensor);

/// The layer that makes a model's output, as its name says.
[[nodiscard]] WEIGHTSCOPE_INLINE bool is_output_layer(const named_tensor& tensor);

namespace detail {

WEIGHTSCOPE_INLINE std::vector<std::size_t> quantized_shape(const study_layer& layer);

/// A layer of a study and where its weights are; the matrices of a stack of experts are layers of their own.
struct located_layer
{
    study_layer layer = {};
    named_tensor tensor = {};
    std::size_t whole = 0;  // the tensor of the model that it is (a part of)
    std::size_t alike = 0;  // the first layer with the same bytes
};

// Every tensor of the model, in its order.
WEIGHTSCOPE_INLINE std::vector<located_layer> locate_layers(const model& m, const quantization_study_options& options);

// `layers` are those of the model, found with the settings of the study.
WEIGHTSCOPE_INLINE void require_study_of(const char* caller, const model& m, const quantization_study_result& study,
                                         const std::vector<located_layer>& layers);

// The layers that a study measures itself: all but those that are kept, and copies of earlier ones.
WEIGHTSCOPE_INLINE work_list measured_layers(const std::vector<located_layer>& layers);

// Calls f(elements, shape) with the weights of a layer as they multiply inputs: a matrix as [out, in].
template <class F>
decltype(auto) with_layer_weights(const named_tensor& tensor, const study_layer& layer, F&& f)
{
    return visit(tensor, [&](const auto& weights) -> decltype(auto) {
        return with_source(weights, [&](const weight_source& elements) -> decltype(auto) {
            std::vector<std::uint64_t> storage;
            matrix_source matrix{.elements = elements};
            if (layer.transposed)
                matrix = transposed(matrix_of(elements, layer.shape[0]), storage);
            return f(matrix.elements, quantized_shape(layer));
        });
    });
}

WEIGHTSCOPE_INLINE void require_fit(const std::vector<scheme>& schemes, const std::vector<located_layer>& layers);

}  // namespace detail

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/quantization_layers.hpp>
#endif
