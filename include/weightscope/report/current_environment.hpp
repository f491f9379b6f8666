#pragma once

#include <string>

#include <weightscope/core/blas_threads.hpp>
#include <weightscope/core/environment.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope {

/// The machine, and the threads that a parallel loop would use where this is called.
[[nodiscard]] inline scan_environment current_environment()
{
    return {.cpu = cpu_name(),
            .instructions = std::string(instruction_path()),
            .threads = concurrency(),
            .blas = blas_name(),
            .compiler = std::string(compiler_name())};
}

}  // namespace weightscope
