// Does weightscope's side of compare.py: for each line "TASK DTYPE ROWS COLS FILE" on standard input it runs the task once on the raw
// numbers in FILE and prints "SECONDS READ_SECONDS": the second is one pass over the same memory, timed right before.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <weightscope/analyzers/element_survey.hpp>
#include <weightscope/analyzers/largest_singular_value.hpp>
#include <weightscope/analyzers/row_survey.hpp>
#include <weightscope/analyzers/singular_values.hpp>
#include <weightscope/core/dispatch.hpp>
#include <weightscope/core/environment.hpp>
#include <weightscope/core/linalg.hpp>
#include <weightscope/core/max_magnitude.hpp>
#include <weightscope/core/parallel.hpp>
#include <weightscope/core/reduce.hpp>
#include <weightscope/core/scalars.hpp>
#include <weightscope/core/xtensor.hpp>
#include <weightscope/quantizers/scheme_name.hpp>
#include <weightscope/quantizers/simulate.hpp>

namespace {

using namespace weightscope;

const element_questions full_report{.magnitude_percentiles = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9},
                                    .thresholds = {0, 1e-6, 1e-4, 1e-2},
                                    .outliers = true,
                                    .quantization_bits = 8};

volatile double sink = 0;  // what is computed must not be optimised away

template <class Matrix>
void run_task(const std::string& task, const Matrix& w)
{
    if (task == "elements")
        sink = survey_elements(w, full_report).moments.mean;
    else if (task == "moments")
        sink = survey_elements(w, {}).moments.mean;
    else if (task == "rows")
        sink = survey_rows(w).channel_squared_error;
    else if (task == "singular_values")
        sink = analyze_singular_values(w).values.back();
    else if (task == "largest")
        sink = analyze_largest_singular_value(w).value.value;
    else if (task.starts_with("errors:"))
        sink = simulate_quantization(w, parse_scheme(task.substr(7))).sums.squared_error;
    else
        throw std::invalid_argument("there is no task " + task);
}

std::vector<std::byte> bytes_of(const std::string& path)
{
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    std::vector<std::byte> bytes(static_cast<std::size_t>(file.tellg()));
    file.seekg(0);
    file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    if (!file)
        throw std::runtime_error("cannot read " + path);
    return bytes;
}

double read_pass(std::span<const std::byte> bytes)
{
    const std::span<const float> words(reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float));
    const auto partials = map_chunks(words.size(), detail::chunk_elements, [&](std::size_t begin, std::size_t end) {
        return detail::dispatch(detail::max_magnitude_kernel<float>{}, words.data() + begin, end - begin);
    });
    return *std::max_element(partials.begin(), partials.end());
}

double seconds_of(const std::function<void()>& work)
{
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <class T>
void run_typed(const std::string& task, std::span<const std::byte> bytes, std::size_t rows, std::size_t cols)
{
    const std::vector<std::size_t> shape = {rows, cols};
    run_task(task, xt::adapt(reinterpret_cast<const T*>(bytes.data()), rows * cols, xt::no_ownership(), shape));
}

}  // namespace

int main()
{
    std::cout << instruction_path() << ", " << blas_name() << std::endl;
    std::string line, loaded;
    std::vector<std::byte> bytes;
    while (std::getline(std::cin, line)) {
        std::istringstream words(line);
        std::string task, dtype, path;
        std::size_t rows = 0, cols = 0;
        words >> task >> dtype >> rows >> cols >> path;
        if (path != loaded)
            bytes = bytes_of(loaded = path);
        const double reading = seconds_of([&] { sink = read_pass(bytes); });
        const double working = seconds_of([&] {
            if (dtype == "float32")
                run_typed<float>(task, bytes, rows, cols);
            else if (dtype == "bfloat16")
                run_typed<bfloat16>(task, bytes, rows, cols);
            else
                run_typed<float16>(task, bytes, rows, cols);
        });
        std::cout << working << ' ' << reading << std::endl;
    }
}
