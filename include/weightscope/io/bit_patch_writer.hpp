#pragma once

#include <filesystem>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/bit_patch_result.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>

namespace weightscope {

/// Whether a copy of the model with these changes is a folder: it has several files, which refer to each other by name.
///
/// An ONNX model whose data lie in other files that the patch leaves alone may be copied beside them as one file.
[[nodiscard]] WEIGHTSCOPE_INLINE bool is_copied_as_folder(const model& m, const bit_patch& patch, const std::filesystem::path& target);

/// Writes a copy of a model with the changes of a patch, which appears whole or not at all; the model stays as it is.
///
/// The checksums of NPZ and PyTorch archives are made right again.
///
/// @param target  a file, or where is_copied_as_folder() a folder that is not there yet or is empty
/// @throws std::invalid_argument  `target` is a file of the model
/// @throws io_error     the model changed since it was opened
/// @throws write_error  `target` cannot be written
/// @note   reads and writes the whole model once
WEIGHTSCOPE_INLINE void write_bit_patch(const model& m, const bit_patch& patch, const std::filesystem::path& target);

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/bit_patch_writer.hpp>
#endif
