#pragma once
// A scan of a model file by a device and the host together. Not part of cuda.cuh, whose users have their weights on the device already.

#include <weightscope/cuda/error.cuh>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <weightscope/core/blas_threads.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/cuda/scan_lane.cuh>
#include <weightscope/cuda/scan_share.cuh>
#include <weightscope/io/model.hpp>
#include <weightscope/report/current_environment.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/study/scan_tensor.hpp>

namespace weightscope {

namespace detail {

// How a device takes part in a scan.
struct device_part
{
    bool host_helps = true;     // the host also takes what the device can do, by the rule of scan_share
    std::size_t lane_count = 2; // streams at work, each with a thread that mostly waits
};

// "NVIDIA H100 80GB HBM3 (sm_90)"
inline std::string device_name(int device)
{
    cudaDeviceProp properties{};
    check_cuda(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
    return fmt::format("{} (sm_{}{})", properties.name, properties.major, properties.minor);
}

inline scan_result scan_with_device(const model& m, const scan_options& options, const progress_callback& progress, const device_part& part)
{
    require(has_cuda_device(), "cuda::scan(model): there is no CUDA device that can be used; weightscope::scan needs none");
    int device = 0;
    check_cuda(cudaGetDevice(&device), "cudaGetDevice");
    begun_scan scan = begin_scan(m, options);
    std::vector<scan_task> tasks;
    double seconds = 0;
    for (std::size_t i = 0; i < scan.tensors.size(); ++i)
        if (scan.first[i] == i) {
            const named_tensor& tensor = scan.tensors[i];
            tasks.push_back({.index = i, .host_seconds = expected_cost(tensor, options), .alone = runs_alone(tensor, options)});
            if (device_scans(tensor, options))
                tasks.back().device_seconds = expected_device_seconds(tensor, options);
            seconds += tasks.back().host_seconds;
        }
    const std::size_t total = tasks.size();
    progress_reporter reporter(progress, total, seconds);
    scan_share share(std::move(tasks), part.host_helps);
    std::atomic<std::size_t> done_there = 0, too_large = 0, failed = 0;

    const auto run_here = [&](const scan_task& task) {
        const named_tensor& tensor = scan.tensors[task.index];
        reporter.begun(tensor.name);
        scan_tensor(tensor, scan.result.layers[task.index], options);
        reporter.finished(tensor.name, task.host_seconds);
    };
    const auto run_lane = [&] {
        check_cuda(cudaSetDevice(device), "cudaSetDevice");
        scan_lane lane;
        while (const std::optional<scan_task> task = share.next_for_device()) {
            const named_tensor& tensor = scan.tensors[task->index];
            reporter.begun(tensor.name);
            const lane_outcome outcome = lane.analyze(tensor, scan.result.layers[task->index], options);
            if (outcome != lane_outcome::done) {
                ++(outcome == lane_outcome::did_not_fit ? too_large : failed);
                share.give_back(*task);
                continue;
            }
            ++done_there;
            reporter.finished(tensor.name, task->host_seconds);
        }
    };

    with_threads(options.threads, [&] {
        scan.result.environment = current_environment();
        const blas_threads most(concurrency());  // also of the lanes, which leave some spectra to the host's LAPACK
        std::vector<std::thread> lanes;
        try {
            for (std::size_t i = 0; i < std::min(part.lane_count, share.shared_count()); ++i)
                lanes.emplace_back([&] {
                    try {
                        run_lane();
                    } catch (...) {
                        share.stop(std::current_exception());
                    }
                });
            share.run_on_host(run_here);
        } catch (...) {
            share.stop(std::current_exception());
        }
        for (std::thread& lane : lanes)
            lane.join();
        share.run_returned(run_here);
    });
    scan.result.environment.cuda = fmt::format("{}: {} of {} tensors", device_name(device), done_there.load(), total);
    if (too_large > 0)
        scan.result.environment.cuda += fmt::format("; {} did not fit into its memory", too_large.load());
    if (failed > 0)
        scan.result.environment.cuda += fmt::format("; {} failed there", failed.load());
    return finish_scan(std::move(scan));
}

}  // namespace detail

namespace cuda {

/// weightscope::scan by the current CUDA device and the host together: layers stream to the device while it works on others, and the threads
/// of the host analyse what it does not take and small layers meanwhile.
///
///     const scan_result result = weightscope::cuda::scan(open_model("model.safetensors"));
///     result.environment.cuda;  // "NVIDIA H100 80GB HBM3 (sm_90): 290 of 291 tensors"
///
/// The device has element statistics, errors of quantization and spectra of float32, float16, bfloat16, float8_e4m3 and float8_e5m2. Blocks of
/// codes are decoded by the host on the way there. The host has heavy tails, suspects of flipped bits and, whole, tensors of other types or of
/// 2^32 elements, and those with shuffles, taps or the norm of a convolution where the options want them.
///
/// @param m         see open_model
/// @param options   those of weightscope::scan; `threads` are those of the host, beside two that feed the device and mostly wait
/// @param progress  called when a tensor begins and when it is done; may cancel
/// @return          that of weightscope::scan: counts, percentiles and extremes are the same, sums agree to 1e-12 and spectra within their
///                  intervals. `environment.cuda` names the device and how many tensors it has analysed; those that did not fit into its
///                  memory were left to the host, and are counted there
/// @throws std::invalid_argument  there is no device, an option is out of range, or the patterns leave no tensor
/// @throws cuda_error             the device fails other than for want of memory
/// @throws cancelled              the callback returned false
/// @note   who takes a small layer depends on who is free: sums may differ in their last bits from run to run. Memory of the device: twice
///         that of analyze_spectral for the largest matrix
[[nodiscard]] inline scan_result scan(const model& m, const scan_options& options = {}, const progress_callback& progress = {})
{
    return weightscope::detail::scan_with_device(m, options, progress, {});
}

}  // namespace cuda

}  // namespace weightscope
