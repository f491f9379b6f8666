# weightscope::cuda: what a target needs whose .cu files include <weightscope/cuda.cuh>. The project that uses it enables CUDA.
find_package(CUDAToolkit 12 REQUIRED)
add_library(weightscope_cuda INTERFACE)
add_library(weightscope::cuda ALIAS weightscope_cuda)
target_compile_options(weightscope_cuda INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>)    # CMake 3.25 does not know cuda_std_20 of nvcc 13
target_compile_definitions(weightscope_cuda INTERFACE
    $<$<COMPILE_LANGUAGE:CUDA>:FMT_USE_CONSTEXPR=1>)    # fmt 9 takes nvcc for a compiler without constexpr functions
target_link_libraries(weightscope_cuda INTERFACE
    weightscope::weightscope CUDA::cudart_static CUDA::cublas CUDA::cusolver)
