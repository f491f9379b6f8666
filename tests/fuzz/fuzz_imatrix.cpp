// Importance matrices of llama.cpp, in GGUF and in the older format.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/io/imatrix.hpp>

#include "../io/gguf_writer.hpp"
#include "fuzz.hpp"

std::vector<std::string> seeds()
{
    using namespace gguf_writer;
    const std::vector<float> values = {1, 2, 3, 4, 5, 6};
    file f;
    f.key("general.type", "imatrix");
    f.tensors.push_back({"w.in_sum2", {2, 3}, 0, bytes_of(values)});
    f.tensors.push_back({"w.counts", {1, 3}, 0, bytes_of(std::vector<float>{7, 8, 0})});
    f.tensors.push_back({"w.in_sum", {2, 3}, 0, bytes_of(values)});
    const auto number = [](std::int32_t n) { return bytes_of(n); };
    const std::string entry = number(1) + "w" + number(2) + number(6) + bytes_of(values);
    const std::string other = number(2) + "up" + number(9) + number(1) + bytes_of(1.0f);
    return {f.content(), number(1) + entry, number(2) + entry + other + number(3) + number(4) + "wiki"};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size == 0)
        return 0;
    try {
        volatile double seen = 0;
        for (const weightscope::activation_statistics& entry : weightscope::detail::read_imatrix(fuzz::file_of(data, size), {}))
            for (const double sum : entry.sums_of_squares)
                seen = seen + sum;
    } catch (const weightscope::io_error&) {
    }
    return 0;
}
