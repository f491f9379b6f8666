// Archives and legacy streams of PyTorch.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <weightscope/io/pytorch.hpp>

#include "../io/pytorch_samples.hpp"
#include "fuzz.hpp"

std::vector<std::string> seeds()
{
    return {pytorch::small_archive(),
            pytorch::small_archive(true),
            pytorch::archive(pytorch::checkpoint(), pytorch::checkpoint_storages()),
            pytorch::archive(pytorch::module(), {std::string(8, '\x3c'), pytorch::counting(2)}),
            pytorch::archive(pytorch::views(), {pytorch::counting(12)}, false, "big"),
            pytorch::archive(pytorch::views(), {pytorch::counting(12)}, true),
            pytorch::archive(pytorch::quantized(), pytorch::quantized_storages()),
            pytorch::archive(pytorch::untyped(), {pytorch::counting(2)}),
            pytorch::script(),
            pytorch::legacy_checkpoint()};
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    return fuzz::read(data, size, [](const auto& file) {
        return weightscope::detail::read_pytorch(file, {.include_training_state = true, .include_averages = true});
    });
}
