#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/core/require.hpp>
#include <weightscope/evaluators/evaluation.hpp>
#include <weightscope/evaluators/explain.hpp>
#include <weightscope/evaluators/hessian_diagonal.hpp>
#include <weightscope/evaluators/hessian_product.hpp>
#include <weightscope/evaluators/item_runner.hpp>
#include <weightscope/evaluators/student_t.hpp>

namespace weightscope::detail {

// Numbers that stand in a resume file, after the count of probes.
inline std::vector<double> flattened(const std::vector<std::vector<running_mean>>& sums)
{
    std::vector<double> numbers;
    for (const auto& tensor : sums)
        for (const running_mean& sum : tensor) {
            numbers.push_back(sum.mean);
            numbers.push_back(sum.squares);
        }
    return numbers;
}

inline bool unflatten(const std::vector<double>& numbers, std::vector<std::vector<running_mean>>& sums)
{
    std::size_t size = 0, next = 0;
    for (const auto& tensor : sums)
        size += 2 * tensor.size();
    if (size != numbers.size())
        return false;
    for (auto& tensor : sums)
        for (running_mean& sum : tensor) {
            sum.mean = numbers[next++];
            sum.squares = numbers[next++];
        }
    return true;
}

// Whether the standard errors are, taken together, the wanted share of the values.
inline bool precise_enough(const std::vector<std::vector<running_mean>>& sums, std::size_t probes, double tolerance)
{
    double values = 0, errors = 0;
    for (const auto& tensor : sums)
        for (const running_mean& sum : tensor) {
            const double error = sum.standard_error(probes);
            values += sum.mean * sum.mean;
            errors += error * error;
        }
    return errors <= tolerance * tolerance * values;
}

WEIGHTSCOPE_INLINE hessian_diagonal_result hessian_diagonal(any_evaluator& evaluator, const hessian_diagonal_options& options, const char* caller)
{
    const evaluation_counts before = evaluator.counts();
    const evaluation_options& how = options.evaluation;
    require(options.max_probes >= 2, "{}: options.max_probes is {}, expected 2 or more", caller, options.max_probes);
    require(options.tolerance >= 0, "{}: options.tolerance is {}, expected 0 or more", caller, options.tolerance);
    const auto batches = chosen_batches(evaluator, how, caller);
    const auto tensors = chosen_tensors(evaluator, how, caller);
    hessian_diagonal_result result{.method = best_method(evaluator, options.method, false, caller)};
    const hessian_prober prober(evaluator, batches, tensors, how.seed, result.method, options.step, caller);
    result.step = prober.step();

    std::vector<std::vector<running_mean>> sums;
    for (const std::size_t t : tensors)
        sums.emplace_back(evaluator.weights()[t].size());
    task_fingerprint print = fingerprint_of_task("Hessian diagonal", evaluator, batches, tensors, how.seed);
    print.add(prober.step());
    print.add(static_cast<std::uint64_t>(result.method));
    resume_file file(how, print.value());
    if (const auto [done, numbers] = file.load(); done <= options.max_probes && unflatten(numbers, sums))
        result.probes = done;

    progress_reporter reporter(how.progress, options.max_probes, static_cast<double>(options.max_probes));
    evaluator_pool pool(evaluator);
    const std::size_t width = pool.width(how.threads);
    for (std::size_t i = 0; i < result.probes; ++i)
        reporter.finished("Hessian diagonal", 1);
    try {
        while (result.probes < options.max_probes && !result.converged) {
            const std::size_t block = std::min(probe_block - result.probes % probe_block, options.max_probes - result.probes);
            for (std::size_t begin = 0; begin < block; begin += width) {  // as many products in memory as evaluators
                std::vector<model_vector> products(std::min(width, block - begin));
                pool.for_each(products.size(), how.threads, [&](any_evaluator& e, std::size_t i) {
                    products[i] = prober.product(e, result.probes + i);
                    reporter.finished("Hessian diagonal", 1);
                });
                for (const model_vector& product : products) {
                    ++result.probes;
                    for (std::size_t t = 0; t < sums.size(); ++t)
                        for (std::size_t i = 0; i < sums[t].size(); ++i)
                            sums[t][i].add(product[t][i], result.probes);
                }
                if (file.due())
                    file.save(result.probes, flattened(sums));
            }
            result.converged = options.tolerance > 0 && result.probes >= probe_block && precise_enough(sums, result.probes, options.tolerance);
        }
    } catch (...) {
        file.save_quietly(result.probes, flattened(sums));
        throw;
    }
    const double quantile = student_t_quantile(0.975, result.probes - 1);
    for (std::size_t t = 0; t < tensors.size(); ++t) {
        tensor_diagonal tensor{.tensor = tensors[t], .quantile = quantile};
        for (const running_mean& sum : sums[t]) {
            tensor.values.push_back(sum.mean);
            tensor.standard_errors.push_back(sum.standard_error(result.probes));
        }
        tensor.floor = prober.floor(t, largest_magnitude(tensor.values));
        result.tensors.push_back(std::move(tensor));
    }
    file.remove();
    result.counts = evaluator.counts() - before;
    return result;
}

}  // namespace weightscope::detail
