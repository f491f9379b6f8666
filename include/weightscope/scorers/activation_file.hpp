#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/activation_statistics.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope {

namespace detail {

WEIGHTSCOPE_INLINE void require_finite_numbers(const named_tensor& tensor, const std::filesystem::path& path, bool may_be_negative);

WEIGHTSCOPE_INLINE std::vector<double> numbers_of(const named_tensor& tensor);

}  // namespace detail

/// Writes what layers' inputs looked like as a safetensors file: for each weight "<name>.sums", "<name>.sums_of_magnitudes",
/// "<name>.sums_of_squares", "<name>.max_magnitudes" and "<name>.rows", as far as they were collected.
///
/// @throws write_error  the file cannot be written; the one that was there is as it was
WEIGHTSCOPE_INLINE void write_activation_statistics(const std::filesystem::path& path, std::span<const activation_statistics> statistics,
                                                    const model_metadata& metadata = {});

/// Reads what layers' inputs looked like: what write_activation_statistics() wrote, arrays [in] under the names of the weights themselves,
/// which are taken for the norms ‖x‖₂ of the inputs, or an importance matrix of llama.cpp, see read_imatrix(): a GGUF file, or one of the
/// older format whose name ends in .dat or .imatrix.
///
/// @return one entry for each weight of which there is something; rows is 0 for bare norms
/// @throws io_error  the file cannot be read, is of none of these kinds, or holds numbers that cannot be
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<activation_statistics> read_activation_statistics(const std::filesystem::path& path);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/scorers/impl/activation_file.hpp>
#endif
