#pragma once

#include <memory>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/pytorch_entry.hpp>

namespace weightscope::detail {

// The stream that torch.save() wrote before version 1.6: pickles of a magic number, a version, the writer's machine, the object and
// the keys of its storages, then the storages, little-endian wherever they were written.
WEIGHTSCOPE_INLINE model read_torch_legacy(const std::shared_ptr<const mapped_file>& file, const pytorch_options& options);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/pytorch_legacy.hpp>
#endif
