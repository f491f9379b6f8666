#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/item_runner.hpp>
#include <weightscope/evaluators/resume_file.hpp>

namespace weightscope::detail {

WEIGHTSCOPE_INLINE item_runner::item_runner(evaluator_pool& pool, const evaluation_options& options, task_fingerprint print, std::size_t width,
                                            std::size_t most)
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

WEIGHTSCOPE_INLINE void item_runner::run_until(std::size_t count, const work& f, const std::function<std::string(std::size_t)>& name)
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

}  // namespace weightscope::detail
