#pragma once
// Who analyses which tensor of a scan: the threads of the host and a device take them from one list.

#include <weightscope/cuda/error.cuh>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <limits>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <weightscope/core/blas_threads.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/schedule.hpp>
#include <weightscope/io/dtype.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/scan_result.hpp>

namespace weightscope::detail {

constexpr bool is_scanned(dtype type) { return type > dtype::float64 && type <= dtype::float8_e5m2; }

// Whether the device has all that a scan wants of this tensor. It has no doubles, no integers and none of the rarer types of 8 bits, for each
// of which a compiler would work for long; it shuffles nothing and knows no kernels of convolutions.
inline bool device_scans(const named_tensor& tensor, const scan_options& options)
{
    const std::size_t count = tensor.size(), rank = tensor.shape.size();
    if (!is_scanned(tensor.dtype) || !tensor.part_of.empty() || count == 0 || count > std::numeric_limits<unsigned>::max())
        return false;
    if (!options.spectral || rank < 2)
        return true;
    const bool shuffles = options.heavy_tail && options.shuffles > 0;
    return !shuffles && (rank == 2 || !(options.tap_spectra || options.convolution_input > 0));
}

// Seconds of the device, at rates of an H100: what waits cost, the way there at 10 GB/s, and for a spectrum the Gram matrix at 20 Tflop/s, the
// reduction to a band, which takes a step for each column, and its 4/3 n³ at 0.4 Tflop/s. Only what is far off would matter.
inline double expected_device_seconds(const named_tensor& tensor, const scan_options& options)
{
    const auto count = static_cast<double>(tensor.size());
    const double seconds = 2e-3 + count * static_cast<double>(bits_of(tensor.dtype)) / 8 / 10e9;
    if (!options.spectral || tensor.shape.size() < 2 || !(count > 0))
        return seconds;
    const auto rows = static_cast<double>(tensor.shape[0]);
    const double n = std::min(rows, count / rows);
    return seconds + n * count / 20e12 + 3e-5 * n + 4.0 / 3 * n * n * n / 0.4e12;
}

// One tensor on the list.
struct scan_task
{
    std::size_t index = 0;
    double host_seconds = 0;                   // of one thread
    std::optional<double> device_seconds = {}; // none where the device does not take it
    bool alone = false;                        // on the host: see scheduled_work
};

// The list, by one rule of cost. The device begins with what costs the host most. A thread of the host takes what only the host can do,
// then the cheapest of what is left, as long as the device would need longer for all that is left than this thread for that one; what would
// keep all threads busy by itself is the device's. What the device cannot hold comes back for the host.
class scan_share
{
public:
    // `host_helps`: the host also takes what the device can do
    scan_share(std::vector<scan_task> tasks, bool host_helps) : host_helps_(host_helps)
    {
        std::stable_sort(tasks.begin(), tasks.end(), [](const scan_task& a, const scan_task& b) { return a.host_seconds > b.host_seconds; });
        for (const scan_task& task : tasks) {
            (task.device_seconds ? shared_ : task.alone ? alone_ : host_).push_back(task);
            device_seconds_left_ += task.device_seconds.value_or(0);
        }
        shared_end_ = shared_.size();
    }

    [[nodiscard]] std::size_t shared_count() const { return shared_.size(); }

    // The device's next; none when nothing is left for it.
    std::optional<scan_task> next_for_device()
    {
        const std::lock_guard lock(mutex_);
        if (failure_ || shared_begin_ == shared_end_)
            return std::nullopt;
        return taken(shared_[shared_begin_++]);
    }

    // Next of a thread of the host; none when the rest is the device's.
    std::optional<scan_task> next_for_host()
    {
        const std::lock_guard lock(mutex_);
        if (failure_)
            return std::nullopt;
        if (host_begin_ < host_.size())
            return host_[host_begin_++];
        if (!host_helps_ || shared_begin_ == shared_end_)
            return std::nullopt;
        const scan_task& cheapest = shared_[shared_end_ - 1];
        if (cheapest.alone || cheapest.host_seconds >= device_seconds_left_)
            return std::nullopt;
        --shared_end_;
        return taken(cheapest);
    }

    // What the device took and could not do.
    void give_back(const scan_task& task)
    {
        const std::lock_guard lock(mutex_);
        returned_.push_back(task);
    }

    // Nobody gets anything more.
    void stop(std::exception_ptr failure)
    {
        const std::lock_guard lock(mutex_);
        if (!failure_)
            failure_ = std::move(failure);
    }

    // Calls run(task) for all that the host does while the device is at work.
    template <class Run>
    void run_on_host(Run&& run)
    {
        {
            const blas_threads many(concurrency());
            for (const scan_task& task : alone_) {
                if (stopped())
                    return;
                run(task);
            }
        }
        const blas_threads one(1);
        parallel_for(concurrency(), [&](std::size_t) {
            while (const std::optional<scan_task> task = next_for_host())
                run(*task);
        });
    }

    // When nobody is at work any more: throws what stopped them, or calls run(task) for what came back.
    template <class Run>
    void run_returned(Run&& run)
    {
        if (failure_)
            std::rethrow_exception(failure_);
        std::vector<scheduled_work> work;
        for (const scan_task& task : returned_)
            work.push_back({task.host_seconds, task.alone});
        run_by_cost(work, [&](std::size_t i) { run(returned_[i]); });
    }

private:
    bool stopped()
    {
        const std::lock_guard lock(mutex_);
        return failure_ != nullptr;
    }

    scan_task taken(const scan_task& task)
    {
        device_seconds_left_ -= *task.device_seconds;
        return task;
    }

    std::mutex mutex_;
    bool host_helps_;
    std::vector<scan_task> alone_, host_, shared_, returned_;  // the most expensive first; the device takes from the front of `shared_`
    std::size_t host_begin_ = 0, shared_begin_ = 0, shared_end_ = 0;
    double device_seconds_left_ = 0;
    std::exception_ptr failure_;
};

}  // namespace weightscope::detail
