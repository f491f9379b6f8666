#pragma once
// The functions of analyzers/, quantizers/ and scorers/ over the memory of a device, under the same names: include it from a .cu file.

#include <weightscope/cuda/bit_map.cuh>
#include <weightscope/cuda/element_survey.cuh>
#include <weightscope/cuda/elements.cuh>
#include <weightscope/cuda/error.cuh>
#include <weightscope/cuda/masks.cuh>
#include <weightscope/cuda/memory.cuh>
#include <weightscope/cuda/row_survey.cuh>
#include <weightscope/cuda/scores.cuh>
#include <weightscope/cuda/simulate.cuh>
#include <weightscope/cuda/singular_values.cuh>
#include <weightscope/cuda/solver.cuh>
#include <weightscope/cuda/spectral.cuh>
#include <weightscope/cuda/stream.cuh>
#include <weightscope/cuda/view.cuh>
#include <weightscope/cuda/workspace.cuh>
