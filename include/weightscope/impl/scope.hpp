#pragma once

#include <cstddef>
#include <utility>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/progress.hpp>
#include <weightscope/core/work_list.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/current_environment.hpp>
#include <weightscope/report/scan_result.hpp>
#include <weightscope/scope.hpp>
#include <weightscope/study/scan_tensor.hpp>

namespace weightscope {

WEIGHTSCOPE_INLINE scan_result scan(const model& m, const scan_options& options, const progress_callback& progress)
{
    detail::begun_scan scan = detail::begin_scan(m, options);
    detail::work_list work;
    for (std::size_t i = 0; i < scan.tensors.size(); ++i)
        if (scan.first[i] == i)
            work.add(i, scan.tensors[i].name, {detail::expected_cost(scan.tensors[i], options), detail::runs_alone(scan.tensors[i], options)});
    with_threads(options.threads, [&] {
        scan.result.environment = current_environment();
        work.run(progress, [&](std::size_t i) { detail::scan_tensor(scan.tensors[i], scan.result.layers[i], options); });
    });
    return detail::finish_scan(std::move(scan));
}

}  // namespace weightscope
