#pragma once

#include <vector>

#include <weightscope/core/compiled.hpp>
#include <weightscope/report/rule.hpp>

namespace weightscope {

/// The rule table that verdicts come from unless another one is given. It knows what a healthy random matrix of each shape would
/// give, names each illness once, and finds nothing above info in Gaussian weights of any shape (near_singular: in fewer than one
/// matrix in 100,000).
///
/// | id | looks at | info | warning | critical |
/// |---|---|---|---|---|
/// | empty | model: tensors with numbers | | | none |
/// | lost_shards | model: shards that are missing or damaged | | | any |
/// | unreadable | analysis failed | | | any |
/// | nonfinite | NaN and infinite entries | | | any |
/// | all_zero | matrices, every entry 0 | | | all |
/// | constant | matrices, every entry equal and not 0 | | all | |
/// | dead_rows, dead_columns | every entry of a row or column at most 1e-6 | | any | > 10 % |
/// | low_rank | numerical rank / rank that live rows and columns allow | | <= 0.5 | <= 0.1 |
/// | near_singular | condition number / Gaussian's, where p < 1e-5 | | > 1e4 | |
/// | spectral_norm | largest singular value, embeddings apart | > 1e3 | > 1e4 | |
/// | rank_utilisation | rank that carries 99 % of the energy / rank that live rows and columns allow | <= 0.25 | | |
/// | bit_flips | log2 of a weight that one bit explains over the largest other one | | >= 8 | >= 16 |
/// | outliers | entries beyond the 3 IQR fences | | > 1 % | > 10 % * |
/// | quantization_sqnr | SQNR at 8 bits, one scale per tensor | | < 20 dB | < 10 dB * |
/// | rounded_away | share of weights that one INT8 scale per tensor rounds to 0, at least | | >= 50 % | >= 90 % |
/// | channel_sqnr | SQNR at 8 bits, one scale per row | | < 20 dB | < 10 dB |
/// | group_sqnr | SQNR at 8 bits, one scale per group | | < 20 dB | < 10 dB |
/// | dynamic_range | largest weight / mean magnitude | > 100 | | |
/// | bad_scales | scales of quantized tensors that are 0, NaN or infinite | | any | |
/// | subnormals | entries below the format's normal range | > 1 % | | |
/// | sparse | exact zeros in a matrix | > 50 % | | |
/// | near_zero | entries at most 1e-6 that are not 0 | > 10 % | | |
/// | n_m_sparsity | runs of 4 (8) along a row with at most 2 (4) entries, where 45 % are 0 | all | | |
/// | tied_copy | equal bytes stored twice | any | | |
/// | untrained | model: all biases 0 and all norm gains 1 | | | 100 % |
///
/// *: a warning at most where one scale per row reaches 30 dB.
///
/// Layers whose figures are those of an earlier one are told by tied_copy alone. Integer tensors are codes, exact as they are, whose
/// scales stand elsewhere: they are judged by unreadable and tied_copy, and I8 also by what looks at zeros (all_zero, dead_rows,
/// dead_columns, sparse). With a critical finding the score is at most 79; where a tensor is not finite or not readable, or the model
/// is not whole or untrained, 39.
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<rule> default_rules();

/// Fixed thresholds that are in wide use, blind to the shape: for comparison with figures judged by them. Square layers of a
/// freshly initialised model are called ill-conditioned by these; `default_rules` are not misled so.
///
/// | id | looks at | info | warning | critical |
/// |---|---|---|---|---|
/// | condition_number | condition number of a matrix | | > 1e4 | > 1e5 |
/// | extreme_outliers | entries beyond the 3 IQR fences | | > 1 % | > 10 % |
/// | low_stable_rank | stable rank / total rank | < 0.1 | | |
///
/// Each layer is judged on its own, tied ones too. A layer's own score loses 40 or 20 for the first rule, 30 or 15 for the second.
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<rule> classic_rules();

/// The default rules and two about the tail of the spectrum, for those who read models by it. Gaussian and lightly trained matrices are
/// told by the first, which is no illness but a measure of how far training went.
///
/// | id | looks at | info | warning | critical |
/// |---|---|---|---|---|
/// | light_tail | power law exponent of the spectrum | > 6 | | |
/// | very_heavy_tail | the same | | < 2 | |
///
/// @see  Martin, Peng & Mahoney 2021, Nature Communications 12:4122 (2 to 6 is where well-trained layers lie)
[[nodiscard]] WEIGHTSCOPE_INLINE std::vector<rule> heavy_tail_rules();

}  // namespace weightscope

#ifndef WEIGHTSCOPE_COMPILED
#include <weightscope/report/impl/rules.hpp>
#endif
