#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/quantizers/quantized_tensor.hpp>
#include <weightscope/quantizers/scheme.hpp>
#include <weightscope/report/quantization_study_result.hpp>
#include <weightscope/study/quantization_layers.hpp>

namespace weightscope {

namespace detail {

// The codes of a layer, as [out, in * kernel] even where the file has it turned.
WEIGHTSCOPE_INLINE quantized_tensor quantize_layer(const named_tensor& tensor, const study_layer& layer, const scheme& s);

// A layer decoded again, as the file had it.
WEIGHTSCOPE_INLINE std::vector<std::byte> requantized_bytes(const named_tensor& tensor, const study_layer& layer, const scheme& s);

// Shards may tell the same key; the first one counts.
WEIGHTSCOPE_INLINE model_metadata distinct_metadata(const model& m);

// What writing a variant of a study needs; the study must be of this model.
WEIGHTSCOPE_INLINE std::vector<located_layer> layers_to_write(const char* caller, const std::filesystem::path& path, const model& m,
                                                              const quantization_study_result& study, std::size_t variant);

}  // namespace detail

/// Writes the model with every layer quantized as a variant of the study says and decoded again: what a runtime without integer
/// arithmetic can measure the loss with.
///
/// Names, shapes, dtypes and metadata are the model's; tensors that are kept have the same bytes, equal tensors stay equal. Decoded
/// weights are rounded to the dtype: in 16-bit files that adds its half step to the error.
///
/// @param path     a safetensors file, no file of the model; appears whole or not at all
/// @param m        that the study is of
/// @param variant  index into study.variants
/// @throws std::invalid_argument  another model, no such variant, a layer that was not measured, or `path` is the model
/// @throws write_error            the file cannot be written
/// @note one tensor is in memory at a time
WEIGHTSCOPE_INLINE void write_dequantized(const std::filesystem::path& path, const model& m, const quantization_study_result& study,
                                          std::size_t variant);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/study/impl/dequantized_model.hpp>
#endif
