#pragma once

#include <fstream>
#include <string>
#include <string_view>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/environment.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE std::string cpu_name()
{
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);)
        if (line.starts_with("model name"))
            if (const auto colon = line.find(": "); colon != std::string::npos)
                return line.substr(colon + 2);
    return {};
}

WEIGHTSCOPE_INLINE std::string_view instruction_path()
{
    switch (detail::best_instructions()) {
    case detail::instruction_set::avx512: return "avx512";
    case detail::instruction_set::avx2: return "avx2";
    case detail::instruction_set::baseline: break;
    }
    return "baseline";
}

WEIGHTSCOPE_INLINE std::string_view compiler_name()
{
#if defined(__clang__)
    return __VERSION__;
#elif defined(__GNUC__)
    return "GCC " __VERSION__;
#else
    return "unknown";
#endif
}

}  // namespace weightscope
