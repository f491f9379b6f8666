#pragma once

#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/evaluation.hpp>

namespace weightscope::detail {

// A hash of what a computation was asked: a file of another one must not be taken up.
class task_fingerprint
{
public:
    void add(std::string_view text);
    void add(std::span<const std::byte> bytes);
    void add(std::uint64_t number);
    void add(double number) { add(std::bit_cast<std::uint64_t>(number)); }
    std::uint64_t value() const { return value_; }

private:
    void add_byte(unsigned char byte) { value_ = (value_ ^ byte) * 0x100000001b3u; }  // FNV-1a
    std::uint64_t value_ = 0xcbf29ce484222325u;
};

// What the model, the data and the seed are; of each tensor's weights the first and the last few.
WEIGHTSCOPE_INLINE task_fingerprint fingerprint_of_task(std::string_view task, const any_evaluator& evaluator,
                                                        const std::vector<std::size_t>& batches, const std::vector<std::size_t>& tensors,
                                                        std::uint64_t seed);

// Numbers kept in a file while a computation runs.
class resume_file
{
public:
    resume_file(const evaluation_options& options, std::uint64_t print);

    // What an earlier run of the same computation left: how much was done, and the numbers. Nothing if there is no such file.
    std::pair<std::uint64_t, std::vector<double>> load() const;

    // True when it is time for the next save().
    bool due() const;

    void save(std::uint64_t done, std::span<const double> numbers);

    // The same on the way out of a run that fails: the failure itself matters more than that of the file.
    void save_quietly(std::uint64_t done, std::span<const double> numbers);

    // The computation is finished.
    void remove() const;

private:
    using clock = std::chrono::steady_clock;
    static constexpr std::uint64_t magic = 0x31656d7573657277u;  // "wresume1"

    std::filesystem::path path_;
    double save_seconds_;
    std::uint64_t print_;
    clock::time_point last_ = clock::now();
};

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/resume_file.hpp>
#endif
