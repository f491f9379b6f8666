// What every fuzz target shares. A target defines two functions:
//
//     std::vector<std::string> seeds();                                            // whole files, made by the tests' own writers
//     extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t*, std::size_t);     // calls fuzz::read()
//
// Given the environment variable WEIGHTSCOPE_FUZZ_SEEDS, the program writes the seeds into that folder and ends.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <weightscope/core/error.hpp>
#include <weightscope/io/mapped_file.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/io/printable.hpp>

std::vector<std::string> seeds();

namespace fuzz {

using namespace weightscope;

// The input as a file. Its memory ends where the input does, so that a byte too many is seen.
inline std::shared_ptr<const mapped_file> file_of(const std::uint8_t* data, std::size_t size)
{
    std::vector<std::byte> content(size);
    if (size != 0)
        std::memcpy(content.data(), data, size);
    return std::make_shared<const mapped_file>("input", std::move(content));
}

// Reads whatever the tensors promise: their names, every byte that they refer to, and every value of those that take at most 4 MiB.
// Throws what the decoders throw, and std::logic_error where a tensor is not what the rest of the library relies on.
inline void read_tensors(const model& m)
{
    constexpr std::size_t tile = 65536, most_bytes = std::size_t{4} << 20;
    volatile std::uint8_t seen = 0;
    std::size_t decoded = 0;
    for (const named_tensor& tensor : m.tensors) {
        (void)printable(tensor.name);
        for (const std::byte b : tensor.bytes)
            seen = seen + static_cast<std::uint8_t>(b);
        const std::size_t bits = bits_of(tensor.dtype), count = tensor.size();
        if (!tensor.decoder) {
            if (is_numeric(tensor.dtype) && tensor.bytes.size() != count * (bits / 8))
                throw std::logic_error("the bytes of a tensor do not hold its elements");
            continue;
        }
        if (bits == 0 || bits % 8 != 0)
            throw std::logic_error("a tensor whose elements are no whole bytes has a decoder");
        if (count > most_bytes / (bits / 8) || decoded > 4 * most_bytes)
            continue;
        decoded += count * (bits / 8);
        for (std::size_t first = 0; first < count; first += tile) {
            const std::size_t n = std::min(tile, count - first) * (bits / 8);
            const std::unique_ptr<std::byte[]> values(new std::byte[n]);
            tensor.decoder->decode(first, {values.get(), n});
            seen = seen + static_cast<std::uint8_t>(values[n - 1]);
        }
    }
}

// Opens the input by `open(file)`, which returns a model, and reads its tensors. An io_error is the one right answer to a bad file;
// anything else that is thrown ends the program, as a crash does.
template <class Open>
int read(const std::uint8_t* data, std::size_t size, Open&& open)
{
    if (size == 0)
        return 0;
    try {
        read_tensors(open(file_of(data, size)));
    } catch (const io_error&) {
    }
    return 0;
}

}  // namespace fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***);  // the library calls it before anything else
extern "C" int LLVMFuzzerInitialize(int*, char***)
{
    const char* folder = std::getenv("WEIGHTSCOPE_FUZZ_SEEDS");
    if (folder == nullptr)
        return 0;
    std::filesystem::create_directories(folder);
    std::size_t number = 0;
    for (const std::string& seed : seeds())
        std::ofstream(std::filesystem::path(folder) / ("seed-" + std::to_string(number++)), std::ios::binary) << seed;
    std::exit(0);
}
