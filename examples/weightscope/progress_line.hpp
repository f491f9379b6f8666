#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <string>
#include <thread>

#include <weightscope/core/progress.hpp>

/// When to show progress on stderr.
enum class progress_mode
{
    automatic,  ///< on a terminal
    always,     ///< a line that overwrites itself on a terminal, at most one line a second elsewhere
    never
};

/// What "auto", "always" and "never" mean.
[[nodiscard]] progress_mode progress_mode_of(const std::string& word);

/// Shows how far a computation is: the share done, the tensor at work and the time left. Gone when it is destroyed.
class progress_line
{
public:
    explicit progress_line(progress_mode mode);
    progress_line(const progress_line&) = delete;
    progress_line& operator=(const progress_line&) = delete;
    ~progress_line();

    void show(const weightscope::progress& state);

private:
    using clock = std::chrono::steady_clock;

    void print_regularly();
    void print();

    bool overwrites_ = false;
    std::mutex mutex_ = {};  // guards all below
    std::condition_variable stopping_ = {};
    bool stopped_ = false, has_news_ = false;
    weightscope::progress state_ = {};
    std::string name_ = {};           // state_.name, which belongs to the caller
    clock::time_point updated_ = {};  // when state_ was
    std::size_t length_ = 0;          // of the line on the terminal
    std::thread printer_ = {};
};
