#include <weightscope/cuda/scan.cuh>

#include <string>

#include "scan_device.hpp"

std::string fault_of_cuda()
{
    return weightscope::has_cuda_device() ? "" : "there is no CUDA device that can be used here; leave it out to scan on the CPU";
}

weightscope::scan_result scan_with_cuda(const weightscope::model& m, const weightscope::scan_options& options,
                                        const weightscope::progress_callback& progress)
{
    return weightscope::cuda::scan(m, options, progress);
}
