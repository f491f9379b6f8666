#pragma once

#include <string>

#include <weightscope/core/progress.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/scan_result.hpp>

// What scan --device cuda calls: scan_cuda.cu has it where the tool is built with CUDA, scan_without_cuda.cpp elsewhere.

/// Why no CUDA device can be used, and what to do; empty where one can.
[[nodiscard]] std::string fault_of_cuda();

/// See weightscope::cuda::scan.
[[nodiscard]] weightscope::scan_result scan_with_cuda(const weightscope::model& m, const weightscope::scan_options& options,
                                                      const weightscope::progress_callback& progress);
