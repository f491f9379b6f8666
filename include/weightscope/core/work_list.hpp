#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <weightscope/core/progress.hpp>
#include <weightscope/core/schedule.hpp>

namespace weightscope::detail {

/// Work on some of the things in a list, which is done in parallel and told to a progress callback.
class work_list
{
public:
    /// @param index  of the thing in its list
    /// @param name   what the callback calls it
    void add(std::size_t index, std::string name, scheduled_work work)
    {
        indices_.push_back(index);
        names_.push_back(std::move(name));
        work_.push_back(work);
        cost_ += work.cost;
    }

    /// Calls `run(index)` once for each, in the order of run_by_cost.
    /// @throws cancelled  the callback returned false
    template <class Run>
    void run(const progress_callback& progress, Run&& run) const
    {
        progress_reporter reporter(progress, work_.size(), cost_);
        run_by_cost(work_, [&](std::size_t k) {
            reporter.begun(names_[k]);
            run(indices_[k]);
            reporter.finished(names_[k], work_[k].cost);
        });
    }

private:
    std::vector<std::size_t> indices_;
    std::vector<std::string> names_;
    std::vector<scheduled_work> work_;
    double cost_ = 0;
};

}  // namespace weightscope::detail
