#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <weightscope/evaluators/process_evaluator.hpp>
#include <weightscope/evaluators/transformer.hpp>
#include <weightscope/evaluators/widen_weights.hpp>
#include <weightscope/io/model.hpp>

/// What a command runs the model for.
enum class evaluator_use
{
    score_and_measure,  ///< some of the data to score with, the others to measure with
    measure,            ///< all of the data to measure with
};

/// What says how to run a model, and on what.
struct evaluator_arguments
{
    std::string data, text, evaluator;  ///< at most one of them
    std::string eval_data;
    std::size_t num_samples = 128, eval_samples = 1024, context = 512, batch_size = 8;
    std::optional<std::int32_t> predict_after;
    std::string rope = "config";
    bool self_test = false;  ///< find out first whether the evaluator keeps its promises

    /// Whether there is something to run the model on.
    [[nodiscard]] bool given() const { return !data.empty() || !text.empty() || !evaluator.empty(); }
};

/// Adds --data, --text, --evaluator and what goes with them to a command; --num-samples and --eval-data only where it scores.
void add_evaluator_arguments(CLI::App& sub, evaluator_arguments& arguments, evaluator_use use = evaluator_use::score_and_measure);

/// @throws usage_error  two of the arguments contradict each other
void require_consistent(const evaluator_arguments& arguments);

struct open_evaluators_options
{
    evaluator_use use = evaluator_use::score_and_measure;
    std::uint64_t seed = 0;     ///< of the rows that are drawn to score with
    bool wide_scoring = false;  ///< the built-in model scores with its 16-bit weights as floats: differences move them by a little
};

/// The evaluators that the arguments name, and what is to be said of them. Without --data, --text and --evaluator there is none.
class opened_evaluators
{
public:
    std::string fingerprint = {};         ///< of the rows that are scored with, empty where a program has them
    std::vector<std::string> notes = {};  ///< sentences for people

    [[nodiscard]] bool exist() const;

    /// Calls f(evaluator) with the evaluator to score with, which may be the one to measure with.
    template <class F>
    decltype(auto) with_scoring(F&& f)
    {
        return with((scoring_ ? scoring_ : measuring_).get(), f);
    }
    /// The same with the one to measure with.
    template <class F>
    decltype(auto) with_measuring(F&& f)
    {
        return with(measuring_.get(), f);
    }

private:
    using transformer = weightscope::transformer<float>;

    template <class F>
    decltype(auto) with(transformer* built_in, F&& f)
    {
#ifdef WEIGHTSCOPE_PROCESSES
        if (process_)
            return f(*process_);
#endif
        return f(*built_in);
    }

    friend opened_evaluators open_untested(const evaluator_arguments&, const weightscope::model&, const open_evaluators_options&);

    std::unique_ptr<weightscope::widened_model> wide_;  // that the scoring one may refer to
    std::unique_ptr<transformer> scoring_, measuring_;
#ifdef WEIGHTSCOPE_PROCESSES
    std::unique_ptr<weightscope::process_evaluator> process_;
#endif
};

/// Opens them.
/// @param m  must outlive the result
/// @throws usage_error, weightscope::io_error, weightscope::process_error, std::invalid_argument  its self-test may be the reason
[[nodiscard]] opened_evaluators open_evaluators(const evaluator_arguments& arguments, const weightscope::model& m,
                                                const open_evaluators_options& options = {});

/// Runs a command that may run a model: a wrong argument of a library function becomes a usage_error, without the function's name,
/// and a program that fails is told in one line.
/// @return  what f returns, or exit_status::unreadable where the program of --evaluator failed
int run_with_evaluators(const std::function<int()>& f);
