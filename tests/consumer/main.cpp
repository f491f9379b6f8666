#include <iostream>

#include <weightscope/all.hpp>

int main()
{
    const xt::xtensor<float, 2> weights{{1, -2, 3}, {-1, 2, 9}};
    const auto kurtosis = weightscope::analyze_basic_stats(weights).kurtosis;
    std::cout << "weightscope " << weightscope::version << ": excess kurtosis " << kurtosis.excess << '\n';
    return kurtosis.finite_count == weights.size() ? 0 : 1;
}
