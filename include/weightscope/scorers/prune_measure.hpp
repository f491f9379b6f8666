#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>

#include <weightscope/core/metric.hpp>
#include <weightscope/scorers/apply_masks.hpp>

namespace weightscope::detail {

// How alike two choices are: what both remove over what one of them removes.
inline metric overlap_of(const model_masks& a, const model_masks& b)
{
    std::size_t both = 0, either = 0;
    for (std::size_t t = 0; t < a.size(); ++t) {
        const auto x = a[t].words(), y = b[t].words();
        for (std::size_t i = 0; i < std::max(x.size(), y.size()); ++i) {
            const std::uint64_t p = i < x.size() ? x[i] : 0, q = i < y.size() ? y[i] : 0;
            both += static_cast<std::size_t>(std::popcount(p & q));
            either += static_cast<std::size_t>(std::popcount(p | q));
        }
    }
    return either > 0 ? metric(static_cast<double>(both) / static_cast<double>(either)) : metric::missing("nothing is removed");
}

// The most memory that the process had since the meter was made, where the system tells.
class memory_meter
{
public:
    memory_meter()
    {
        if (std::FILE* const file = std::fopen("/proc/self/clear_refs", "we")) {
            counts_ = std::fputs("5", file) >= 0;
            std::fclose(file);
        }
    }

    metric peak() const
    {
        const auto close = [](std::FILE* file) { std::fclose(file); };
        const std::unique_ptr<std::FILE, decltype(close)> file(std::fopen("/proc/self/status", "re"), close);
        char line[256];
        while (counts_ && file && std::fgets(line, sizeof line, file.get())) {
            unsigned long long kibibytes = 0;
            if (std::sscanf(line, "VmHWM: %llu kB", &kibibytes) == 1)
                return metric(static_cast<double>(kibibytes) * 1024);
        }
        return metric::missing("the system does not tell");
    }

private:
    bool counts_ = false;
};

}  // namespace weightscope::detail
