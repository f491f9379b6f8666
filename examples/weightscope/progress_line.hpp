#pragma once

#include <chrono>
#include <string>

#include <weightscope/core/progress.hpp>

/// When to show progress on stderr.
enum class progress_mode
{
    automatic,  ///< on a terminal
    always,     ///< a line that overwrites itself on a terminal, one line a second elsewhere
    never
};

/// Shows how far a computation is: the share done, the tensor at work and the time left. Gone when it is destroyed.
class progress_line
{
public:
    explicit progress_line(progress_mode mode);
    progress_line(const progress_line&) = delete;
    progress_line& operator=(const progress_line&) = delete;
    ~progress_line() { clear(); }

    void show(const weightscope::progress& state);
    void clear();

private:
    using clock = std::chrono::steady_clock;

    bool shown_ = false, overwrites_ = false;
    std::size_t length_ = 0;  // of the line on the terminal
    clock::time_point next_ = clock::time_point::min();
};
