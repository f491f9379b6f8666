#pragma once

#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/layer_change.hpp>

namespace weightscope {

/// The rules for two models, A before and B after.
///
/// | id | looks at | info | warning | critical |
/// |---|---|---|---|---|
/// | appeared_nonfinite | weights that are finite in A and not in B | | | any |
/// | removed | layers of A that B lacks, or has in another size | | any | |
/// | unrelated | the whole model: cosine of the matrices, weighted by parameters | | < 0.3 | |
/// | drift | ‖b - a‖ / ‖a‖ of related models | > 0.1 | > 0.5 | |
/// | conditioning | condition number, B / A | | >= 100 | |
/// | lost_rank | stable rank, B / A | | < 0.5 | < 0.1 |
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<change_rule> comparison_rules();

/// The rules for a series of checkpoints, each against the one before it.
///
/// | id | looks at | info | warning | critical |
/// |---|---|---|---|---|
/// | appeared_nonfinite | weights that became NaN or infinite | | | any |
/// | removed | layers that are gone | | any | |
/// | explosion | norm, after / before | | | >= 10 |
/// | growth | norm, after / before | > 1.1 | > 2 | |
/// | collapse | norm, after / before | < 0.9 | < 0.5 | < 0.1 |
/// | spectral_growth | largest singular value, after / before | | >= 4 | >= 100 |
/// | lost_rank | stable rank, after / before | | < 0.5 | < 0.1 |
/// | sharp_change | ‖after - before‖ / ‖before‖ | | > 0.5 | |
/// | frozen | weights of the layer that did not change | 100 % | | |
/// | stall | the whole model: ‖after - before‖ / ‖before‖ | | <= 1e-6 | |
///
/// Norms that double or halve, and those that grow tenfold, are what monitors of training take for sharp changes and explosions.
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<change_rule> series_rules();

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/change_rules.hpp>
#endif
