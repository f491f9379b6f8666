#pragma once

#include <string>
#include <string_view>

#include <weightscope/core/compiled.hpp>

namespace weightscope {

/// Name of the processor; empty where the system does not tell.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string cpu_name();

/// The instructions that kernels use on this processor: "avx512", "avx2" or "baseline".
[[nodiscard]] WEIGHTSCOPE_INLINE std::string_view instruction_path();

/// Name and version of the compiler that built this.
[[nodiscard]] WEIGHTSCOPE_INLINE std::string_view compiler_name();

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/core/impl/environment.hpp>
#endif
