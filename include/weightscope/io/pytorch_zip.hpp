#pragma once

#include <memory>

#include <weightscope/core/compiled.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/pytorch_entry.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE model read_torch_zip(const std::shared_ptr<const mapped_file>& file, const pytorch_options& options);

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/io/impl/pytorch_zip.hpp>
#endif
