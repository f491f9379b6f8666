#include <stdexcept>
#include <string>

#include "scan_device.hpp"

std::string fault_of_cuda()
{
    return "this build has no CUDA; one that has it: cmake --preset cuda && cmake --build --preset cuda";
}

weightscope::scan_result scan_with_cuda(const weightscope::model&, const weightscope::scan_options&, const weightscope::progress_callback&)
{
    throw std::logic_error(fault_of_cuda());
}
