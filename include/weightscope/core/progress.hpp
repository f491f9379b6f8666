#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string_view>
#include <utility>

#include <weightscope/core/error.hpp>

namespace weightscope {

/// Where a long computation stands.
struct progress
{
    std::string_view name;         ///< what was begun or finished last, such as a tensor's name; valid during the call only
    std::size_t done = 0;          ///< items finished
    std::size_t total = 0;         ///< items in all
    double fraction = 0;           ///< share of the expected work done, 0 to 1 (items differ in cost, so not done / total)
    double seconds_left = 0;       ///< estimate from the rate so far; 0 until there is one
};

/// Called when an item begins and when it is finished, by one thread at a time; returning false cancels the computation, which
/// then throws `cancelled`.
using progress_callback = std::function<bool(const progress&)>;

/// Turns finished items of known cost into calls of a progress_callback.
class progress_reporter
{
public:
    /// @param callback  may be empty
    /// @param total     number of items
    /// @param cost      sum of the items' expected costs, any unit
    progress_reporter(progress_callback callback, std::size_t total, double cost)
        : callback_(std::move(callback)), total_(total), cost_(cost)
    {
    }

    /// Reports that work on an item begins.
    /// @throws cancelled  the callback returned false, now or before
    void begun(std::string_view name) { report(name, 0, 0); }

    /// Reports one item of this cost as done.
    /// @throws cancelled  the callback returned false, now or before
    void finished(std::string_view name, double cost) { report(name, 1, cost); }

private:
    using clock = std::chrono::steady_clock;

    void report(std::string_view name, std::size_t items, double cost)
    {
        const std::lock_guard lock(mutex_);
        done_ += items;
        cost_done_ += cost;
        if (callback_ && !stopped_) {
            const double fraction = done_ == total_ || !(cost_ > 0) ? 1.0 : std::min(cost_done_ / cost_, 1.0);
            const double elapsed = std::chrono::duration<double>(clock::now() - start_).count();
            stopped_ = !callback_({.name = name,
                                   .done = done_,
                                   .total = total_,
                                   .fraction = fraction,
                                   .seconds_left = fraction > 0 ? elapsed * (1 - fraction) / fraction : 0});
        }
        if (stopped_)
            throw cancelled();
    }

    progress_callback callback_;
    std::size_t total_ = 0, done_ = 0;
    double cost_ = 0, cost_done_ = 0;
    bool stopped_ = false;
    clock::time_point start_ = clock::now();
    std::mutex mutex_;
};

}  // namespace weightscope
