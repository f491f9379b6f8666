#include <weightscope/cuda.cuh>

double sparsity_of(const weightscope::device_view<float>& weights)
{
    return weightscope::analyze_elements(weights).sparsity->sparsity_levels.front().percentage.value;
}
