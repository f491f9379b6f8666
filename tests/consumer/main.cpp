#include <iostream>

#include <weightscope/all.hpp>

int main(int argc, char** argv)
{
    if (argc > 1) {
        const auto result = weightscope::scan(weightscope::open_model(argv[1]));
        std::cout << result.layers.size() << " tensors\n";
        return 0;
    }
    const xt::xtensor<float, 2> weights{{1, -2, 3}, {-1, 2, 9}};
    const auto stats = weightscope::analyze_basic_stats(weights);
    std::cout << "weightscope " << weightscope::version << ": mean " << stats.mean.value << '\n';
    return stats.mean.value == 2 ? 0 : 1;
}
