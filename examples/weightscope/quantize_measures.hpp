#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <weightscope/core/progress.hpp>
#include <weightscope/io/model.hpp>
#include <weightscope/report/quantization_activations_result.hpp>
#include <weightscope/report/quantization_study_result.hpp>

#include "evaluator_arguments.hpp"

/// What quantize measures besides the errors of weights.
struct quantize_measures
{
    bool spectrum = false;
    std::size_t angles = 8;
    bool evaluate = false;
    std::string activations;  ///< "int8-per-token-asym"; empty: none
    std::size_t calibration_samples = 4096;
    std::vector<std::string> observers;
    evaluator_arguments run;
    bool plan_only = false;
};

/// Adds --spectrum, --evaluate, --activations and what goes with them.
void add_measure_arguments(CLI::App& sub, quantize_measures& arguments);

/// @throws usage_error  arguments contradict each other
void require_consistent(const quantize_measures& arguments);

struct measures_told
{
    weightscope::progress_callback progress = {};
    bool talks = true;  ///< the plan may be printed
};

struct measured_study
{
    weightscope::quantization_study_result study = {};
    bool planned = false;  ///< nothing was run: --plan
};

/// Adds to a study what the arguments ask for. Prints what running the model will cost, and with --plan nothing else happens.
/// @throws usage_error  the program of --evaluator cannot show activations
[[nodiscard]] measured_study measure(const weightscope::model& m, weightscope::quantization_study_result study, const quantize_measures& arguments,
                                     const measures_told& how);
