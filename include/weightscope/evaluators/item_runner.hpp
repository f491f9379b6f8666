#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
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
    item_runner(evaluator_pool& pool, const evaluation_options& options, task_fingerprint print, std::size_t width, std::size_t most)
        : pool_(pool),
          options_(options),
          width_(width),
          file_(options, (print.add(std::uint64_t{width}), print.value())),
          reporter_(options.progress, most, static_cast<double>(most))
    {
        const auto [done, numbers] = file_.load();
        if (numbers.size() == done * width_) {
            done_ = static_cast<std::size_t>(done);
            numbers_ = numbers;
        }
    }

    // Does the items below `count` that are not done yet. An exception leaves the resume file with what is.
    void run_until(std::size_t count, const work& f, const std::function<std::string(std::size_t)>& name)
    {
        for (; reported_ < std::min(done_, count); ++reported_)  // by an earlier run
            reporter_.finished(name(reported_), 1);
        const std::size_t block = 4 * pool_.width(options_.threads);
        while (done_ < count) {
            const std::size_t items = std::min(block, count - done_);
            numbers_.resize((done_ + items) * width_);
            std::vector<char> finished(items, 0);
            try {
                pool_.for_each(items, options_.threads, [&](any_evaluator& evaluator, std::size_t i) {
                    f(evaluator, done_ + i, std::span(numbers_).subspan((done_ + i) * width_, width_));
                    finished[i] = 1;
                    reporter_.finished(name(done_ + i), 1);
                });
            } catch (...) {
                done_ += static_cast<std::size_t>(std::find(finished.begin(), finished.end(), 0) - finished.begin());
                numbers_.resize(done_ * width_);
                file_.save_quietly(done_, numbers_);
                throw;
            }
            done_ += items;
            reported_ = done_;
            if (file_.due())
                file_.save(done_, numbers_);
        }
    }

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
