#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/progress.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/resume_file.hpp>

namespace weightscope::detail {

// Works through numbered items, each of which gives a few numbers that depend on nothing but the item's number: with several
// evaluators at once, with progress, cancellation and a resume file, and with the same results whatever of these is used.
class item_runner
{
public:
    using work = std::function<void(any_evaluator& evaluator, std::size_t item, std::span<double> out)>;

    // width: numbers per item; most: items there may be in all, for the progress
    item_runner(evaluator_pool& pool, const evaluation_options& options, task_fingerprint print, std::size_t width, std::size_t most);

    // Does the items below `count` that are not done yet. An exception leaves the resume file with what is.
    void run_until(std::size_t count, const work& f, const std::function<std::string(std::size_t)>& name);

    std::size_t done() const { return done_; }
    std::span<const double> numbers(std::size_t item) const { return std::span(numbers_).subspan(item * width_, width_); }
    void finish() { file_.remove(); }

private:
    evaluator_pool& pool_;
    const evaluation_options& options_;
    std::size_t width_;
    resume_file file_;
    progress_reporter reporter_;
    std::size_t done_ = 0, reported_ = 0;
    std::vector<double> numbers_;
};

}  // namespace weightscope::detail

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/evaluators/impl/item_runner.hpp>
#endif
