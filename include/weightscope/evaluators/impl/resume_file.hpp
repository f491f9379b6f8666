#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/error.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/resume_file.hpp>
#include <weightscope/io/atomic_file.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE void task_fingerprint::add(std::string_view text)
{
    for (const char c : text)
        add_byte(static_cast<unsigned char>(c));
    add_byte(0);
}

WEIGHTSCOPE_INLINE void task_fingerprint::add(std::span<const std::byte> bytes)
{
    for (const std::byte b : bytes)
        add_byte(static_cast<unsigned char>(b));
}

WEIGHTSCOPE_INLINE void task_fingerprint::add(std::uint64_t number)
{
    for (int shift = 0; shift < 64; shift += 8)
        add_byte(static_cast<unsigned char>(number >> shift));
}

WEIGHTSCOPE_INLINE task_fingerprint fingerprint_of_task(std::string_view task, const any_evaluator& evaluator,
                                                        const std::vector<std::size_t>& batches, const std::vector<std::size_t>& tensors,
                                                        std::uint64_t seed)
{
    task_fingerprint print;
    print.add(task);
    print.add(seed);
    for (const std::size_t batch : batches)
        print.add(std::uint64_t{batch});
    for (const std::size_t t : tensors) {
        const weight_info& info = evaluator.weights()[t];
        print.add(info.name);
        print.add(to_string(info.dtype));
        for (const std::size_t extent : info.shape)
            print.add(std::uint64_t{extent});
        const std::size_t bytes = info.size() * (bits_of(info.dtype) / 8), part = std::min<std::size_t>(bytes, 64);
        std::array<std::byte, 64> content{};
        evaluator.read(t, 0, std::span(content).first(part));
        print.add(content);
        evaluator.read(t, bytes - part, std::span(content).first(part));
        print.add(content);
    }
    return print;
}

WEIGHTSCOPE_INLINE resume_file::resume_file(const evaluation_options& options, std::uint64_t print)
    : path_(options.resume), save_seconds_(options.save_seconds), print_(print)
{
}

WEIGHTSCOPE_INLINE std::pair<std::uint64_t, std::vector<double>> resume_file::load() const
{
    std::error_code error;
    if (path_.empty() || !std::filesystem::exists(path_, error))
        return {};
    std::ifstream in(path_, std::ios::binary);
    std::array<std::uint64_t, 4> head{};
    in.read(reinterpret_cast<char*>(head.data()), sizeof head);
    const auto size = std::filesystem::file_size(path_, error);
    if (!in || error || head[0] != magic || head[3] > size / sizeof(double) || size != sizeof head + head[3] * sizeof(double))
        throw io_error(path_, 0, "resume file", "is not one, or is damaged; delete it to start anew");
    if (head[1] != print_)
        throw io_error(path_, sizeof(std::uint64_t), "resume file",
                       "belongs to another computation (other weights, batches, settings or seed); delete it to start anew");
    std::vector<double> numbers(head[3]);
    in.read(reinterpret_cast<char*>(numbers.data()), static_cast<std::streamsize>(numbers.size() * sizeof(double)));
    if (!in)
        throw io_error(path_, sizeof head, "resume file", "cannot be read; delete it to start anew");
    return {head[2], std::move(numbers)};
}

WEIGHTSCOPE_INLINE bool resume_file::due() const
{
    return !path_.empty() && std::chrono::duration<double>(clock::now() - last_).count() >= save_seconds_;
}

WEIGHTSCOPE_INLINE void resume_file::save(std::uint64_t done, std::span<const double> numbers)
{
    if (path_.empty())
        return;
    const std::array<std::uint64_t, 4> head = {magic, print_, done, numbers.size()};
    atomic_file file(path_);
    file.write(std::as_bytes(std::span(head)));
    file.write(std::as_bytes(numbers));
    file.commit();
    last_ = clock::now();
}

WEIGHTSCOPE_INLINE void resume_file::save_quietly(std::uint64_t done, std::span<const double> numbers)
{
    try {
        if (done > 0)
            save(done, numbers);
    } catch (const write_error&) {
    }
}

WEIGHTSCOPE_INLINE void resume_file::remove() const
{
    std::error_code ignored;
    if (!path_.empty())
        std::filesystem::remove(path_, ignored);
}

}  // namespace weightscope::detail
