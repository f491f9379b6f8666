// What is wrong with this model, and what should I do?
//
//     $ one_model sick_sample.safetensors
//     39 of 100: do not deploy
//     transformer.h.2.mlp.c_proj.weight: numerical rank 8 of 192 possible
//       Keep it as two factors of rank 8, 7,680 numbers instead of 147,456 (worth it below rank 153.6), or retrain it.
//     transformer.h.3.attn.c_attn.weight: 3 NaN and 0 infinite among 110,592 entries
//       Go back to the last checkpoint without them; ...
//     transformer.wpe.weight: extreme outliers: 2.574 % > 1 % (Gaussian matrix: 0.00023 %)
//       Quantize with one scale per row (measured at 8 bits: per row 33.2 dB, per group of 128: 34.8 dB).
#include <iostream>
#include <weightscope/all.hpp>

int main(int argc, char** argv)
{
    const auto result = weightscope::scan(weightscope::open_model(argc > 1 ? argv[1] : "model.safetensors"));
    const auto health = weightscope::judge(result);
    std::cout << health.score << " of 100: " << health.recommendation << '\n';
    for (const auto& finding : health.top_issues(3))
        std::cout << finding.layer << ": " << finding.message << "\n  " << finding.remedy << '\n';
}
